/* Facts about native/packet/inner.c. */
#include "packet/inner.h"

#include "c-test.h"
#include "inner-packets.h"
#include "inner-twin.h"
#include "random.h"

#define SEED 8200791
#define RANDOM_PACKETS 200000

static void expect_equal(const struct inner *inner, const struct inner *wanted)
{
	EXPECT(inner->version, wanted->version);
	EXPECT(inner->protocol, wanted->protocol);
	EXPECT(inner->ip_ttl, wanted->ip_ttl);
	EXPECT(inner->must_not_fragment, wanted->must_not_fragment);
	EXPECT(inner->is_fragment, wanted->is_fragment);
	EXPECT(inner->is_later_fragment, wanted->is_later_fragment);
	EXPECT(inner->header_bytes, wanted->header_bytes);
	EXPECT(inner->total_bytes, wanted->total_bytes);
	EXPECT(inner->source, wanted->source);
	EXPECT(inner->destination, wanted->destination);
	EXPECT(inner->source6.high, wanted->source6.high);
	EXPECT(inner->source6.low, wanted->source6.low);
	EXPECT(inner->destination6.high, wanted->destination6.high);
	EXPECT(inner->destination6.low, wanted->destination6.low);
}

static void expect_chain(const struct inner_chain *chain, const struct inner_chain *wanted)
{
	EXPECT(chain->is_whole, wanted->is_whole);
	EXPECT(chain->is_fragment, wanted->is_fragment);
	EXPECT(chain->is_later_fragment, wanted->is_later_fragment);
	if (!wanted->is_whole)
		return;
	EXPECT(chain->protocol, wanted->protocol);
	EXPECT(chain->upper_at, wanted->upper_at);
}

static void tells_what_an_ipv4_header_says(void)
{
	uint8_t *packet = new_ipv4(28, 100);
	struct inner inner;

	set_field(packet, IPV4_FRAGMENT, 16, 0x4000);
	seal_ipv4(packet);
	EXPECT(parse(&inner, packet, 100), INNER_FAULT_NONE);
	expect_equal(&inner, &(struct inner){.version = 4,
					     .protocol = 17,
					     .ip_ttl = 64,
					     .must_not_fragment = true,
					     .header_bytes = 28,
					     .total_bytes = 100,
					     .source = 0x0af40105,
					     .destination = 0x0af40207});
	free(packet);
}

static void tells_what_an_ipv6_header_says(void)
{
	uint8_t *packet = new_ipv6(100);
	struct inner inner;

	EXPECT(parse(&inner, packet, 100), INNER_FAULT_NONE);
	expect_equal(&inner, &(struct inner){.version = 6,
					     .protocol = 17,
					     .ip_ttl = 64,
					     .must_not_fragment = true,
					     .header_bytes = 40,
					     .total_bytes = 100,
					     .source6 = {0x20010db800010000, 5},
					     .destination6 = {0x20010db800020000, 7}});
	free(packet);
}

static void tells_the_version_that_it_does_not_know(void)
{
	uint8_t *packet = new_ipv4(20, 20);
	struct inner inner;

	set_field(packet, 0, 4, 13);
	EXPECT(parse(&inner, packet, 20), INNER_FAULT_VERSION);
	EXPECT(inner.version, 13);
	free(packet);
}

static void leaves_padding_out(void)
{
	uint8_t *packet = new_ipv6(100);
	struct inner inner;

	set_field(packet, IPV6_PAYLOAD_LENGTH, 16, 3);
	EXPECT(parse(&inner, packet, 100), INNER_FAULT_NONE);
	EXPECT(inner.total_bytes, 43);
	free(packet);
	packet = new_ipv4(20, 100);
	set_field(packet, 16, 16, 21);
	seal_ipv4(packet);
	EXPECT(parse(&inner, packet, 100), INNER_FAULT_NONE);
	EXPECT(inner.total_bytes, 21);
	free(packet);
}

static void tells_fragments_of_ipv4(void)
{
	static const struct {
		uint16_t field;
		bool must_not_fragment, is_fragment, is_later_fragment;
	} cases[] = {
	    {0x0000, false, false, false}, {0x4000, true, false, false},
	    {0x8000, false, false, false}, {0x2000, false, true, false},
	    {0x2001, false, true, true},   {0x0001, false, true, true},
	    {0x1000, false, true, true},   {0x6000, true, true, false},
	};
	uint8_t *packet = new_ipv4(20, 64);
	struct inner inner;

	for (size_t i = 0; i < LENGTH(cases); i++) {
		set_field(packet, IPV4_FRAGMENT, 16, cases[i].field);
		seal_ipv4(packet);
		EXPECT(parse(&inner, packet, 64), INNER_FAULT_NONE);
		EXPECT(inner.must_not_fragment, cases[i].must_not_fragment);
		EXPECT(inner.is_fragment, cases[i].is_fragment);
		EXPECT(inner.is_later_fragment, cases[i].is_later_fragment);
	}
	free(packet);
}

/* Writes a chain of extension headers of 8 bytes each; it ends in UDP, or with the packet. */
static uint8_t *new_chain(const uint8_t *next_headers, size_t count, size_t total_bytes)
{
	uint8_t *packet = new_ipv6(total_bytes);
	size_t next_header_at = 6;

	for (size_t i = 0; i < count; i++) {
		packet[next_header_at] = next_headers[i];
		next_header_at = 40 + i * 8;
		memset(packet + next_header_at, 0, 8);
	}
	packet[next_header_at] = 17;
	return packet;
}

static struct inner_chain follow(uint8_t *packet, size_t total_bytes)
{
	struct inner_chain chain = inner_follow_chain(packet, total_bytes);
	struct inner inner;

	EXPECT(parse(&inner, packet, total_bytes), INNER_FAULT_NONE);
	EXPECT(inner.is_fragment, chain.is_fragment);
	EXPECT(inner.is_later_fragment, chain.is_later_fragment);
	EXPECT(inner.protocol, packet[6]);
	EXPECT(inner.header_bytes, 40);
	free(packet);
	return chain;
}

static void follows_eight_extension_headers_and_no_more(void)
{
	static const uint8_t next_headers[] = {0, 60, 43, 44, 60, 60, 43, 0, 60};
	struct inner_chain chain = follow(new_chain(next_headers, 0, 50), 50);

	EXPECT(chain.is_whole, true);
	EXPECT(chain.upper_at, 40);
	chain = follow(new_chain(next_headers, 8, 120), 120);
	EXPECT(chain.is_whole, true);
	EXPECT(chain.protocol, 17);
	EXPECT(chain.upper_at, 104);
	EXPECT(chain.is_fragment, false); /* offset 0, no more: a whole packet (RFC 6946) */
	EXPECT(follow(new_chain(next_headers, 9, 120), 120).is_whole, false);
}

static void follows_a_chain_to_the_end_of_the_packet_and_no_further(void)
{
	static const uint8_t next_headers[] = {0, 60};
	uint8_t *packet = new_chain(next_headers, 2, 56);
	struct inner_chain chain = follow(packet, 56);

	EXPECT(chain.is_whole, true);
	EXPECT(chain.upper_at, 56); /* no byte of it is there */
	packet = new_chain(next_headers, 2, 56);
	packet[49] = 1; /* 16 bytes, of which there are 8 */
	EXPECT(follow(packet, 56).is_whole, false);
	packet = new_chain(next_headers, 2, 64);
	packet[49] = 1;
	EXPECT(follow(packet, 64).upper_at, 64);
	packet = new_chain(next_headers, 2, 56);
	packet[48] = 60; /* a third one that would begin behind the end */
	EXPECT(follow(packet, 56).is_whole, false);
	packet = new_chain(next_headers, 1, 48);
	packet[40] = 44;
	EXPECT(follow(packet, 48).is_fragment, false);
}

static void tells_fragments_of_ipv6(void)
{
	static const struct {
		uint16_t field;
		bool is_whole, is_fragment, is_later_fragment;
	} cases[] = {
	    {0x0000, true, false, false}, {0x0001, true, true, false},
	    {0x0006, true, false, false}, /* reserved bits */
	    {0x0008, false, true, true},  {0xfff9, false, true, true},
	};
	static const uint8_t next_headers[] = {0, 44};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		uint8_t *packet = new_chain(next_headers, 2, 70);
		struct inner_chain chain;

		packet[49] = 255; /* reserved, and no length */
		set_field(packet + 48, 16, 16, cases[i].field);
		chain = follow(packet, 70);
		EXPECT(chain.is_whole, cases[i].is_whole);
		EXPECT(chain.is_fragment, cases[i].is_fragment);
		EXPECT(chain.is_later_fragment, cases[i].is_later_fragment);
	}
}

static void agrees_with_the_twin_about_random_packets(void)
{
	size_t faults[INNER_FAULT_MARTIAN + 1] = {0}, fragments = 0, broken_chains = 0;
	uint64_t random = SEED;

	for (size_t i = 0; i < RANDOM_PACKETS; i++) {
		size_t bytes;
		uint8_t *packet = twin_random_packet(&bytes, &random);
		struct twin twin = twin_of(packet, bytes);
		struct inner inner;

		memset(&inner, 0xa5, sizeof(inner));
		EXPECT(inner_parse(&inner, packet, bytes), twin.fault);
		faults[twin.fault]++;
		if (twin.fault == INNER_FAULT_NONE)
			expect_equal(&inner, &twin.inner);
		if (twin.fault == INNER_FAULT_NONE && inner.version == 6) {
			struct inner_chain chain = inner_follow_chain(packet, inner.total_bytes);

			expect_chain(&chain, &twin.chain);
			fragments += chain.is_fragment;
			broken_chains += !chain.is_whole;
		}
		free(packet);
	}
	for (size_t i = 0; i < LENGTH(faults); i++)
		EXPECT(faults[i] > RANDOM_PACKETS / 100, true);
	EXPECT(fragments > RANDOM_PACKETS / 100, true);
	EXPECT(broken_chains > RANDOM_PACKETS / 100, true);
}

/* Of IPv4: IPv6 has no header checksum, and one bit makes version 6 of version 4. */
static void no_flipped_bit_in_a_header_passes(void)
{
	for (size_t header_bytes = 20; header_bytes <= 60; header_bytes += 4) {
		uint8_t *packet = new_ipv4(header_bytes, 100);
		struct inner inner;

		EXPECT(parse(&inner, packet, 100), INNER_FAULT_NONE);
		for (size_t bit = 0; bit < header_bytes * 8; bit++) {
			bool passes;

			packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
			passes = parse(&inner, packet, 100) == INNER_FAULT_NONE;
			EXPECT(passes && inner.version == 4, false);
			packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		free(packet);
	}
}

/* `identification` makes the checksum `wanted`. */
static void set_checksum(uint8_t *packet, uint32_t wanted)
{
	set_field(packet, 32, 16, 0);
	set_field(packet, IPV4_CHECKSUM, 16, wanted);
	set_field(packet, 32, 16, 0xffff - naive_sum(0, packet, 20));
}

static void hop_is_mended_as_if_all_was_summed_again(void)
{
	for (uint32_t checksum = 0; checksum <= 0xffff; checksum++) {
		uint8_t *packet = new_ipv4(20, 20);
		uint8_t *wanted;

		set_field(packet, IPV4_TTL, 8, checksum % 255 + 1);
		set_checksum(packet, checksum);
		wanted = exact_copy(packet, 20);
		wanted[8]--;
		seal_ipv4(wanted);
		inner_take_hop(packet);
		EXPECT(memcmp(packet, wanted, 20), 0);
		free(wanted);
		free(packet);
	}
}

static void hop_of_ipv6_changes_one_byte(void)
{
	for (int hops = 1; hops <= 255; hops++) {
		uint8_t *packet = new_ipv6(41), *wanted = new_ipv6(41);

		packet[7] = (uint8_t)hops;
		wanted[7] = (uint8_t)(hops - 1);
		inner_take_hop(packet);
		EXPECT(memcmp(packet, wanted, 41), 0);
		free(wanted);
		free(packet);
	}
}

static const struct test_case cases[] = {
    CASE(tells_what_an_ipv4_header_says),
    CASE(tells_what_an_ipv6_header_says),
    CASE(tells_the_version_that_it_does_not_know),
    CASE(leaves_padding_out),
    CASE(tells_fragments_of_ipv4),
    CASE(follows_eight_extension_headers_and_no_more),
    CASE(follows_a_chain_to_the_end_of_the_packet_and_no_further),
    CASE(tells_fragments_of_ipv6),
    CASE(agrees_with_the_twin_about_random_packets),
    CASE(no_flipped_bit_in_a_header_passes),
    CASE(hop_is_mended_as_if_all_was_summed_again),
    CASE(hop_of_ipv6_changes_one_byte),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
