/* Facts about native/packet/icmp_error.c. */
#include "packet/icmp_error.h"

#include "c-test.h"
#include "inner-packets.h"
#include "inner-twin.h"
#include "random.h"

#define SEED 4443
#define RANDOM_PACKETS 100000
#define MTU 1472

#define ICMP 1
#define ICMPV6 58

static const struct icmp_sender sender = {
    .address = 0x0af40100,
    .address6 = {POD_NET6, 1},
};
static const struct {
	uint8_t type, code, type6;
} wanted_types[] = {
    [ICMP_NET_UNREACHABLE] = {3, 0, 1},
    [ICMP_TOO_BIG] = {3, 4, 2},
    [ICMP_TIME_EXCEEDED] = {11, 0, 3},
};

/* Writes the error about a packet without fault, all of which is in memory of its length. */
static size_t write_about(uint8_t *out, const uint8_t *packet, size_t bytes,
			  enum icmp_reason reason)
{
	struct inner inner;

	EXPECT(inner_parse(&inner, packet, bytes), INNER_FAULT_NONE);
	return icmp_write(out, packet, &inner, reason, &sender, MTU);
}

static uint8_t *new_error(void)
{
	uint8_t *out = malloc(ICMP_ERROR_MAX_BYTES);

	memset(out, 0xee, ICMP_ERROR_MAX_BYTES);
	return out;
}

/* The example of test/unit/datapath/icmp-error.test.ts. */
static void writes_the_example_byte_for_byte(void)
{
	static const uint8_t offender[] = {
	    0x45, 0x00, 0x00, 0x1c, 0x12, 0x34, 0x00, 0x00, 0x40, 0x11, 0xee, 0xaf, 0x0a, 0xf4,
	    0x01, 0x05, 0x0a, 0xf4, 0x63, 0x01, 0xc0, 0xde, 0x00, 0x35, 0x00, 0x0c, 0x00, 0x00,
	};
	static const uint8_t wanted[] = {
	    0x45, 0xc0, 0x00, 0x38, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01, 0x22, 0x19, 0x0a, 0xf4,
	    0x01, 0x00, 0x0a, 0xf4, 0x01, 0x05, 0x03, 0x04, 0x36, 0x1c, 0x00, 0x00, 0x05, 0xc0,
	};
	uint8_t *out = new_error();
	size_t bytes = write_about(out, offender, sizeof(offender), ICMP_TOO_BIG);

	EXPECT(bytes, 56);
	EXPECT(memcmp(out, wanted, sizeof(wanted)), 0);
	EXPECT(memcmp(out + 28, offender, sizeof(offender)), 0);
	EXPECT(out[56], 0xee);
	free(out);
}

/* RFC 792, RFC 1191 and RFC 1812 section 4.3.2, field by field. */
static size_t twin_of_ipv4_error(uint8_t *out, const uint8_t *packet, enum icmp_reason reason)
{
	size_t quoted = field(packet, 16, 16) < 548 ? field(packet, 16, 16) : 548;

	memset(out, 0, 28);
	set_field(out, 0, 8, 0x45);
	set_field(out, 8, 8, 0xc0);
	set_field(out, 16, 16, 28 + quoted);
	set_field(out, 49, 1, 1);
	set_field(out, IPV4_TTL, 8, 64);
	set_field(out, IPV4_PROTOCOL, 8, ICMP);
	set_field(out, IPV4_SOURCE, 32, sender.address);
	set_field(out, IPV4_DESTINATION, 32, field(packet, IPV4_SOURCE, 32));
	seal_ipv4(out);
	set_field(out, 160, 8, wanted_types[reason].type);
	set_field(out, 168, 8, wanted_types[reason].code);
	set_field(out, 208, 16, reason == ICMP_TOO_BIG ? MTU : 0);
	memcpy(out + 28, packet, quoted);
	set_field(out, 176, 16, 0xffff - naive_sum(0, out + 20, 8 + quoted));
	return 28 + quoted;
}

/* RFC 4443 sections 2.3 and 3, with the pseudo-header of RFC 8200 section 8.1 written out. */
static size_t twin_of_ipv6_error(uint8_t *out, const uint8_t *packet, enum icmp_reason reason)
{
	size_t total_bytes = 40 + field(packet, IPV6_PAYLOAD_LENGTH, 16);
	size_t quoted = total_bytes < 1232 ? total_bytes : 1232;
	uint8_t pseudo[40] = {0};

	memset(out, 0, 48);
	set_field(out, 0, 4, 6);
	set_field(out, 4, 8, 0xc0);
	set_field(out, IPV6_PAYLOAD_LENGTH, 16, 8 + quoted);
	set_field(out, IPV6_NEXT_HEADER, 8, ICMPV6);
	set_field(out, IPV6_HOP_LIMIT, 8, 64);
	set_field(out, IPV6_SOURCE, 64, sender.address6.high);
	set_field(out, IPV6_SOURCE + 64, 64, sender.address6.low);
	memcpy(out + 24, packet + 8, 16);
	set_field(out, 320, 8, wanted_types[reason].type6);
	set_field(out, 352, 32, reason == ICMP_TOO_BIG ? MTU : 0);
	memcpy(out + 48, packet, quoted);
	memcpy(pseudo, out + 8, 32);
	set_field(pseudo, 256, 32, 8 + quoted);
	set_field(pseudo, 312, 8, ICMPV6);
	set_field(out, 336, 16, 0xffff - naive_sum(naive_sum(0, pseudo, 40), out + 40, 8 + quoted));
	return 48 + quoted;
}

static void expect_like_twin(const uint8_t *packet, size_t bytes, enum icmp_reason reason)
{
	uint8_t *out = new_error(), wanted[ICMP_ERROR_MAX_BYTES];
	bool is_ipv4 = field(packet, 0, 4) == 4;
	size_t wanted_bytes = is_ipv4 ? twin_of_ipv4_error(wanted, packet, reason)
				      : twin_of_ipv6_error(wanted, packet, reason);

	EXPECT(write_about(out, packet, bytes, reason), wanted_bytes);
	EXPECT(memcmp(out, wanted, wanted_bytes), 0);
	for (size_t i = wanted_bytes; i < ICMP_ERROR_MAX_BYTES; i++)
		EXPECT(out[i], 0xee);
	free(out);
}

static void agrees_with_the_twin_about_any_length(void)
{
	for (size_t bytes = 41; bytes < 1300; bytes++) {
		uint8_t *packet = new_ipv6(bytes);

		expect_like_twin(packet, bytes, (enum icmp_reason)(bytes % 3));
		free(packet);
		packet = new_ipv4(20 + bytes % 6 * 4, bytes);
		expect_like_twin(packet, bytes, (enum icmp_reason)(bytes % 3));
		free(packet);
	}
}

static void agrees_with_the_twin_about_random_packets(void)
{
	uint64_t random = SEED;
	size_t written = 0;

	for (size_t i = 0; i < RANDOM_PACKETS; i++) {
		size_t bytes;
		uint8_t *packet = twin_random_packet(&bytes, &random);

		if (twin_of(packet, bytes).fault == INNER_FAULT_NONE) {
			expect_like_twin(packet, bytes, (enum icmp_reason)below(&random, 3));
			written++;
		}
		free(packet);
	}
	EXPECT(written > RANDOM_PACKETS / 10, true);
}

static void is_no_longer_than_every_host_takes(void)
{
	static const struct {
		size_t bytes, ipv4_error, ipv6_error;
	} cases[] = {
	    {547, 575, 595},   {548, 576, 596},	  {549, 576, 597},    {1231, 576, 1279},
	    {1232, 576, 1280}, {1233, 576, 1280}, {65535, 576, 1280},
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		uint8_t *out = new_error(), *packet = new_ipv4(20, cases[i].bytes);

		EXPECT(write_about(out, packet, cases[i].bytes, ICMP_TIME_EXCEEDED),
		       cases[i].ipv4_error);
		free(packet);
		packet = new_ipv6(cases[i].bytes);
		EXPECT(write_about(out, packet, cases[i].bytes, ICMP_TIME_EXCEEDED),
		       cases[i].ipv6_error);
		free(packet);
		free(out);
	}
}

static void quotes_no_padding(void)
{
	uint8_t *out = new_error(), *packet = new_ipv4(20, 100);

	set_field(packet, 16, 16, 22);
	seal_ipv4(packet);
	EXPECT(write_about(out, packet, 100, ICMP_TIME_EXCEEDED), 50);
	free(packet);
	packet = new_ipv6(100);
	set_field(packet, IPV6_PAYLOAD_LENGTH, 16, 2);
	EXPECT(write_about(out, packet, 100, ICMP_TIME_EXCEEDED), 90);
	free(packet);
	free(out);
}

static bool may_answer(const uint8_t *packet, size_t bytes)
{
	struct inner inner;

	EXPECT(inner_parse(&inner, packet, bytes), INNER_FAULT_NONE);
	return icmp_may_answer(packet, &inner);
}

static bool is_one_of(size_t value, const uint8_t *values, size_t count)
{
	return memchr(values, (int)value, count) != NULL;
}

static void answers_queries_of_icmp_and_no_other_type(void)
{
	static const uint8_t queries[] = {0, 8, 13, 14, 15, 16, 17, 18, 42, 43};

	for (size_t type = 0; type <= 255; type++) {
		for (size_t header_bytes = 20; header_bytes <= 60; header_bytes += 40) {
			uint8_t *packet = new_ipv4(header_bytes, header_bytes + 1);

			set_field(packet, IPV4_PROTOCOL, 8, ICMP);
			seal_ipv4(packet);
			packet[header_bytes] = (uint8_t)type;
			EXPECT(may_answer(packet, header_bytes + 1),
			       is_one_of(type, queries, sizeof(queries)));
			free(packet);
		}
	}
}

static void answers_queries_of_icmpv6_and_no_other_type(void)
{
	static const uint8_t queries[] = {128, 129, 139, 140};

	for (size_t type = 0; type <= 255; type++) {
		uint8_t *packet = new_ipv6(41);

		packet[6] = ICMPV6;
		packet[40] = (uint8_t)type;
		EXPECT(may_answer(packet, 41), is_one_of(type, queries, sizeof(queries)));
		free(packet);
		packet = new_ipv6(49);
		packet[6] = 60;
		packet[40] = ICMPV6;
		packet[41] = 0;
		packet[48] = (uint8_t)type;
		EXPECT(may_answer(packet, 49), is_one_of(type, queries, sizeof(queries)));
		free(packet);
	}
}

/* Only ICMP of the own family is looked into. */
static void answers_any_other_protocol(void)
{
	for (size_t protocol = 0; protocol <= 255; protocol++) {
		static const uint8_t no_upper_layer[] = {0, 43, 44, 60, ICMPV6};
		uint8_t *packet = new_ipv4(20, 21);

		packet[20] = 3; /* an error, if it were ICMP */
		set_field(packet, IPV4_PROTOCOL, 8, protocol);
		seal_ipv4(packet);
		EXPECT(may_answer(packet, 21), protocol != ICMP);
		free(packet);
		packet = new_ipv6(41);
		packet[6] = (uint8_t)protocol;
		packet[40] = 3;
		EXPECT(may_answer(packet, 41),
		       !is_one_of(protocol, no_upper_layer, sizeof(no_upper_layer)));
		free(packet);
	}
}

static void does_not_answer_icmp_without_a_type(void)
{
	uint8_t *packet = new_ipv4(20, 30);

	set_field(packet, IPV4_PROTOCOL, 8, ICMP);
	set_field(packet, 16, 16, 20);
	seal_ipv4(packet);
	packet[20] = 8; /* padding */
	EXPECT(may_answer(packet, 30), false);
	free(packet);
	packet = new_ipv6(60);
	set_field(packet, IPV6_PAYLOAD_LENGTH, 16, 8);
	packet[6] = 60;
	packet[40] = ICMPV6;
	packet[41] = 0;
	packet[48] = 128; /* padding */
	EXPECT(may_answer(packet, 60), false);
	free(packet);
}

static void answers_the_first_fragment_and_no_later_one(void)
{
	static const struct {
		uint16_t field, field6;
		bool may;
	} cases[] = {{0x2000, 0x0001, true}, {0x2001, 0x0009, false}, {0x1fff, 0xfff8, false}};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		uint8_t *packet = new_ipv4(20, 64);

		set_field(packet, IPV4_FRAGMENT, 16, cases[i].field);
		seal_ipv4(packet);
		EXPECT(may_answer(packet, 64), cases[i].may);
		free(packet);
		packet = new_ipv6(64);
		packet[6] = 44;
		packet[40] = 17;
		set_field(packet + 40, 16, 16, cases[i].field6);
		EXPECT(may_answer(packet, 64), cases[i].may);
		free(packet);
	}
}

static const struct test_case cases[] = {
    CASE(writes_the_example_byte_for_byte),
    CASE(agrees_with_the_twin_about_any_length),
    CASE(agrees_with_the_twin_about_random_packets),
    CASE(is_no_longer_than_every_host_takes),
    CASE(quotes_no_padding),
    CASE(answers_queries_of_icmp_and_no_other_type),
    CASE(answers_queries_of_icmpv6_and_no_other_type),
    CASE(answers_any_other_protocol),
    CASE(does_not_answer_icmp_without_a_type),
    CASE(answers_the_first_fragment_and_no_later_one),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
