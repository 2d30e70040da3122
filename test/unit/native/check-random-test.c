/* native/packet/check.c against a plain list of its rules, about random packets. */
#include "packet/check.h"

#include "c-test.h"
#include "check-rules.h"
#include "inner-packets.h"
#include "inner-twin.h"
#include "random.h"

#define SEED 1812
#define RANDOM_PACKETS 300000

/* The counters follow the faults in the order in which they are looked for. */
static enum counter twin_drop(enum inner_fault fault, bool is_inward)
{
	static const enum counter drops[][2] = {
	    {0, 0},
	    {COUNTER_ENCAP_DROP_SHORT, COUNTER_DECAP_DROP_SHORT},
	    {COUNTER_ENCAP_DROP_VERSION, COUNTER_DECAP_DROP_VERSION},
	    {COUNTER_ENCAP_DROP_HEADER_LENGTH, COUNTER_DECAP_DROP_HEADER_LENGTH},
	    {COUNTER_ENCAP_DROP_TOTAL_LENGTH, COUNTER_DECAP_DROP_TOTAL_LENGTH},
	    {COUNTER_ENCAP_DROP_CHECKSUM, COUNTER_DECAP_DROP_CHECKSUM},
	    {COUNTER_ENCAP_DROP_MARTIAN, COUNTER_DECAP_DROP_MARTIAN},
	};

	return drops[fault][is_inward];
}

/* Who owns an address, by its leading bits: FWD_NO_PEER for nobody, OWN for ourselves. */
#define OWN 99

static uint32_t twin_owner(const uint8_t *packet, bool is_source)
{
	if (field(packet, 0, 4) == 4) {
		size_t at = is_source ? 96 : 128;
		uint64_t net = field(packet, at, 24);

		if (net == 0x0af401)
			return OWN;
		if (net == 0x0af402)
			return PEER_A;
		if (field(packet, at, 22) == 0x0af404 >> 2)
			return PEER_B;
		return net == 0x0af408 ? PEER_C : FWD_NO_PEER;
	}
	size_t at = is_source ? 64 : 192;
	uint64_t net = field(packet, at, 64);

	if (net == 0x20010db800010000)
		return OWN;
	if (net == 0x20010db800020000)
		return PEER_A;
	return field(packet, at, 62) == 0x20010db800040000 >> 2 ? PEER_C : FWD_NO_PEER;
}

static bool twin_is_ipv6(const uint8_t *packet, size_t bytes)
{
	return bytes >= 20 && field(packet, 0, 4) == 6;
}

static enum counter twin_encap(const uint8_t *packet, size_t bytes, size_t segment_bytes,
			       const struct packet_rules *rules, struct packet_verdict *verdict)
{
	struct twin twin = twin_of(packet, bytes);
	size_t longest = segment_bytes == 0 ? twin.inner.total_bytes : segment_bytes;

	if (twin_is_ipv6(packet, bytes) && !rules->has_ipv6)
		return COUNTER_ENCAP_DROP_IPV6;
	if (twin.fault != INNER_FAULT_NONE)
		return twin_drop(twin.fault, false);
	if (rules->source_check == SOURCE_CHECK_STRICT && twin_owner(packet, true) != OWN)
		return COUNTER_ENCAP_DROP_FOREIGN_SOURCE;
	if (twin_owner(packet, false) == OWN)
		return COUNTER_ENCAP_DROP_OWN_DESTINATION;
	if (twin.inner.ip_ttl < 2)
		return COUNTER_ENCAP_DROP_TTL;
	if (twin_owner(packet, false) == FWD_NO_PEER)
		return COUNTER_ENCAP_DROP_NO_PEER;
	if (twin.inner.must_not_fragment && longest > rules->overlay_mtu)
		return COUNTER_ENCAP_DROP_DONT_FRAGMENT;
	if (longest > rules->max_inner_bytes)
		return COUNTER_ENCAP_DROP_TOO_LONG;
	verdict->peer = twin_owner(packet, false);
	verdict->is_foreign_source =
	    rules->source_check == SOURCE_CHECK_COUNT && twin_owner(packet, true) != OWN;
	return COUNTER_ENCAP_SENT;
}

static enum counter twin_decap(const uint8_t *packet, size_t bytes, uint8_t version, uint32_t peer,
			       const struct packet_rules *rules, struct packet_verdict *verdict)
{
	struct twin twin = twin_of(packet, bytes);

	if (bytes >= 20 && version != 0 && field(packet, 0, 4) != version)
		return COUNTER_DECAP_DROP_VERSION;
	if (twin_is_ipv6(packet, bytes) && !rules->has_ipv6)
		return COUNTER_DECAP_DROP_VERSION;
	if (twin.fault != INNER_FAULT_NONE)
		return twin_drop(twin.fault, true);
	if (twin_owner(packet, true) == OWN)
		return COUNTER_DECAP_DROP_FOREIGN_SOURCE;
	if (rules->source_check == SOURCE_CHECK_STRICT && twin_owner(packet, true) != peer)
		return COUNTER_DECAP_DROP_FOREIGN_SOURCE;
	if (twin_owner(packet, false) != OWN)
		return COUNTER_DECAP_DROP_FOREIGN_DESTINATION;
	if (twin.inner.ip_ttl < 2)
		return COUNTER_DECAP_DROP_TTL;
	verdict->peer = peer;
	verdict->is_foreign_source =
	    rules->source_check == SOURCE_CHECK_COUNT && twin_owner(packet, true) != peer;
	return COUNTER_DECAP_DELIVERED;
}

static struct packet_rules random_rules(uint64_t *random)
{
	static const enum source_check source_checks[] = {SOURCE_CHECK_STRICT, SOURCE_CHECK_COUNT,
							  SOURCE_CHECK_OFF};
	struct packet_rules rules = strict_rules;

	rules.source_check = source_checks[below(random, LENGTH(source_checks))];
	rules.has_ipv6 = below(random, 4) > 0;
	rules.overlay_mtu = 60 + below(random, 80);
	rules.max_inner_bytes = 60 + below(random, 80);
	return rules;
}

/* Puts addresses of known owners and few hops into a packet that has no fault. */
static void place_randomly(uint8_t *packet, size_t bytes, uint64_t *random)
{
	static const uint32_t nets[] = {0x0af40100, 0x0af40200, 0x0af40500, 0x0af40800, 0x0af40900};
	static const uint64_t nets6[] = {POD_NET6, PEER_NET6, 0x20010db800030000,
					 0x20010db800040002, 0x20010db800040004};
	struct twin twin = twin_of(packet, bytes);

	if (twin.fault != INNER_FAULT_NONE && twin.fault != INNER_FAULT_MARTIAN)
		return;
	if (field(packet, 0, 4) == 4) {
		set_field(packet, IPV4_TTL, 8, below(random, 8));
		set_field(packet, IPV4_SOURCE, 32, nets[below(random, 5)] + below(random, 256));
		set_field(packet, IPV4_DESTINATION, 32,
			  nets[below(random, 5)] + below(random, 256));
		seal_ipv4(packet);
	} else {
		set_field(packet, IPV6_HOP_LIMIT, 8, below(random, 8));
		set_field(packet, IPV6_SOURCE, 64, nets6[below(random, 5)]);
		set_field(packet, IPV6_DESTINATION, 64, nets6[below(random, 5)]);
	}
}

static uint8_t *random_packet(size_t *bytes, uint64_t *random)
{
	uint8_t *packet = twin_random_packet(bytes, random);

	if (below(random, 4) > 0)
		place_randomly(packet, *bytes, random);
	return packet;
}

static void expect_each(const size_t *outcomes, enum counter first, enum counter last)
{
	for (enum counter i = first; i <= last; i++)
		EXPECT(outcomes[i] > RANDOM_PACKETS / 1000, true);
}

static void agrees_with_the_twin_about_what_leaves(void)
{
	struct fwd_table *table = new_table();
	size_t outcomes[COUNTER_COUNT] = {0}, foreign = 0;
	uint64_t random = SEED;

	for (size_t i = 0; i < RANDOM_PACKETS; i++) {
		size_t bytes, segment_bytes = below(&random, 2) * (60 + below(&random, 80));
		struct packet_rules rules = random_rules(&random);
		uint8_t *packet = random_packet(&bytes, &random);
		struct packet_verdict verdict, wanted = {.peer = FWD_NO_PEER};
		enum counter outcome = twin_encap(packet, bytes, segment_bytes, &rules, &wanted);
		struct inner inner;

		EXPECT(check_encap(packet, bytes, segment_bytes, &rules, table, &inner, &verdict),
		       outcome);
		if (outcome == COUNTER_ENCAP_SENT) {
			EXPECT(verdict.peer, wanted.peer);
			EXPECT(verdict.is_foreign_source, wanted.is_foreign_source);
			foreign += verdict.is_foreign_source;
		}
		outcomes[outcome]++;
		free(packet);
	}
	expect_each(outcomes, COUNTER_ENCAP_SENT, COUNTER_ENCAP_DROP_TOO_LONG);
	EXPECT(foreign > RANDOM_PACKETS / 1000, true);
	fwd_table_free(table);
}

static void agrees_with_the_twin_about_what_enters(void)
{
	static const uint8_t versions[] = {0, 0, 4, 6};
	struct fwd_table *table = new_table();
	size_t outcomes[COUNTER_COUNT] = {0}, foreign = 0;
	uint64_t random = SEED;

	for (size_t i = 0; i < RANDOM_PACKETS; i++) {
		struct packet_rules rules = random_rules(&random);
		uint8_t version = versions[below(&random, LENGTH(versions))];
		uint32_t peer = (uint32_t)below(&random, 3);
		size_t bytes;
		uint8_t *packet = random_packet(&bytes, &random);
		struct packet_verdict verdict, wanted = {.peer = FWD_NO_PEER};
		enum counter outcome = twin_decap(packet, bytes, version, peer, &rules, &wanted);
		struct inner inner;

		EXPECT(check_decap(packet, bytes, version, peer, &rules, table, &inner, &verdict),
		       outcome);
		if (outcome == COUNTER_DECAP_DELIVERED) {
			EXPECT(verdict.peer, wanted.peer);
			EXPECT(verdict.is_foreign_source, wanted.is_foreign_source);
			foreign += verdict.is_foreign_source;
		}
		outcomes[outcome]++;
		free(packet);
	}
	expect_each(outcomes, COUNTER_DECAP_DELIVERED, COUNTER_DECAP_DELIVERED);
	expect_each(outcomes, COUNTER_DECAP_DROP_SHORT, COUNTER_DECAP_DROP_SHORT);
	expect_each(outcomes, COUNTER_DECAP_DROP_VERSION, COUNTER_DECAP_DROP_TTL);
	EXPECT(foreign > RANDOM_PACKETS / 1000, true);
	fwd_table_free(table);
}

static const struct test_case cases[] = {
    CASE(agrees_with_the_twin_about_what_leaves),
    CASE(agrees_with_the_twin_about_what_enters),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
