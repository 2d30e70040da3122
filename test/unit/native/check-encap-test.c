/* Facts about what native/packet/check.c lets out. */
#include "packet/check.h"

#include "c-test.h"
#include "check-rules.h"
#include "inner-packets.h"

#define SENT COUNTER_ENCAP_SENT
#define NOBODY FWD_NO_PEER
#define NET6_B 0x20010db800030000 /* nobody's: peer B has no IPv6 */
#define NET6_C 0x20010db800040000

static void expect_encap(const struct check_case *check, struct packet_rules rules,
			 bool is_foreign_source)
{
	struct fwd_table *table = new_table();
	uint8_t *packet = new_case_packet(check, false), *before;
	struct packet_verdict verdict;
	struct inner inner;

	before = exact_copy(packet, check->bytes);
	expect(__LINE__, check->name,
	       check_encap(packet, check->bytes, 0, &rules, table, &inner, &verdict),
	       check->outcome);
	expect(__LINE__, check->name, verdict.peer, check->peer);
	expect(__LINE__, check->name, verdict.is_foreign_source, is_foreign_source);
	EXPECT(memcmp(packet, before, check->bytes), 0);
	if (check->outcome == SENT)
		EXPECT(inner.total_bytes, check->bytes);
	free(before);
	free(packet);
	fwd_table_free(table);
}

static void sends_to_the_peer_that_owns_the_destination(void)
{
	static const struct check_case cases[] = {
	    {"a pod of peer A", 4, 64, {{0}}, SENT, PEER_A},
	    {"its first address", 4, 64, {TO(0x0af40200)}, SENT, PEER_A},
	    {"its last address", 4, 64, {TO(0x0af402ff)}, SENT, PEER_A},
	    {"first address of peer B", 4, 64, {TO(0x0af40400)}, SENT, PEER_B},
	    {"last address of peer B", 4, 64, {TO(0x0af407ff)}, SENT, PEER_B},
	    {"from our first address", 4, 64, {FROM(0x0af40100)}, SENT, PEER_A},
	    {"from our last address", 4, 64, {FROM(0x0af401ff)}, SENT, PEER_A},
	    {"with 2 hops left", 4, 64, {TTL(2)}, SENT, PEER_A},
	    {"as long as the MTU, with DF", 4, 1472, {FLAG_DF}, SENT, PEER_A},
	    {"longer than the MTU, without", 4, 1473, {{0}}, SENT, PEER_A},
	    {"as long as a datagram can be", 4, 65507, {{0}}, SENT, PEER_A},
	    {"IPv6", 6, 64, {{0}}, SENT, PEER_A},
	    {"first address of IPv6", 6, 64, {TO_HOST(0)}, SENT, PEER_A},
	    {"last address of IPv6", 6, 64, {TO_HOST(UINT64_MAX)}, SENT, PEER_A},
	    {"last address of peer C", 6, 64, {TO_NET(NET6_C + 3)}, SENT, PEER_C},
	    {"from our first of IPv6", 6, 64, {FROM_HOST(0)}, SENT, PEER_A},
	    {"from our last of IPv6", 6, 64, {FROM_HOST(UINT64_MAX)}, SENT, PEER_A},
	    {"IPv6 with 2 hops left", 6, 64, {HOPS(2)}, SENT, PEER_A},
	    {"IPv6 as long as the MTU", 6, 1472, {{0}}, SENT, PEER_A},
	};

	for (size_t i = 0; i < LENGTH(cases); i++)
		expect_encap(&cases[i], strict_rules, false);
}

/* Those with two faults show which one is looked for first. */
static void keeps_in_what_must_not_leave(void)
{
	const enum counter foreign = COUNTER_ENCAP_DROP_FOREIGN_SOURCE;
	const enum counter own = COUNTER_ENCAP_DROP_OWN_DESTINATION;
	const enum counter no_peer = COUNTER_ENCAP_DROP_NO_PEER;
	const enum counter too_big = COUNTER_ENCAP_DROP_DONT_FRAGMENT;
	const enum counter ttl = COUNTER_ENCAP_DROP_TTL;
	const struct check_case cases[] = {
	    {"version 5", 4, 64, {{0, 4, 5}}, COUNTER_ENCAP_DROP_VERSION, NOBODY},
	    {"IHL 4", 4, 64, {{4, 4, 4}}, COUNTER_ENCAP_DROP_HEADER_LENGTH, NOBODY},
	    {"too short", 4, 64, {{16, 16, 65}}, COUNTER_ENCAP_DROP_TOTAL_LENGTH, NOBODY},
	    {"martian", 4, 64, {FROM(0x7f000001)}, COUNTER_ENCAP_DROP_MARTIAN, NOBODY},
	    {"to a martian", 4, 64, {TO(0xe0000001)}, COUNTER_ENCAP_DROP_MARTIAN, NOBODY},
	    {"martian, no hops", 4, 64, {FROM(0), TTL(0)}, COUNTER_ENCAP_DROP_MARTIAN, NOBODY},
	    {"from before our subnet", 4, 64, {FROM(0x0af400ff)}, foreign, NOBODY},
	    {"from after our subnet", 4, 64, {FROM(0x0af40200)}, foreign, NOBODY},
	    {"foreign, to us", 4, 64, {FROM(0xcb007109), TO(OWN_POD)}, foreign, NOBODY},
	    {"to our first address", 4, 64, {TO(0x0af40100)}, own, NOBODY},
	    {"to our last address", 4, 64, {TO(0x0af401ff)}, own, NOBODY},
	    {"to us, no hops", 4, 64, {TO(OWN_POD), TTL(1)}, own, NOBODY},
	    {"no hops", 4, 64, {TTL(0)}, ttl, NOBODY},
	    {"one hop", 4, 64, {TTL(1)}, ttl, NOBODY},
	    {"one hop, for nobody", 4, 64, {TTL(1), TO(0x0af46301)}, ttl, NOBODY},
	    {"before peer B", 4, 64, {TO(0x0af403ff)}, no_peer, NOBODY},
	    {"too long for nobody", 4, 3000, {TO(0x0af46301), FLAG_DF}, no_peer, NOBODY},
	    {"one byte too long, DF", 4, 1473, {FLAG_DF}, too_big, PEER_A},
	    {"65,535 bytes, DF", 4, 65535, {FLAG_DF}, too_big, PEER_A},
	    {"65,508 bytes", 4, 65508, {{0}}, COUNTER_ENCAP_DROP_TOO_LONG, PEER_A},
	    {"IPv6 too short", 6, 64, {{32, 16, 25}}, COUNTER_ENCAP_DROP_TOTAL_LENGTH, NOBODY},
	    {"of nothing", 6, 64, {{32, 16, 0}}, COUNTER_ENCAP_DROP_TOTAL_LENGTH, NOBODY},
	    {"link-local", 6, 64, {FROM_NET(0xfe80ull << 48)}, COUNTER_ENCAP_DROP_MARTIAN, NOBODY},
	    {"multicast", 6, 64, {TO_NET(0xff02ull << 48)}, COUNTER_ENCAP_DROP_MARTIAN, NOBODY},
	    {"from before ours", 6, 64, {FROM_NET(POD_NET6 - 1)}, foreign, NOBODY},
	    {"from after ours", 6, 64, {FROM_NET(POD_NET6 + 1)}, foreign, NOBODY},
	    {"to ours", 6, 64, {TO_NET(POD_NET6), HOPS(1)}, own, NOBODY},
	    {"no hops of IPv6", 6, 64, {HOPS(0)}, ttl, NOBODY},
	    {"one hop of IPv6", 6, 64, {HOPS(1), TO_NET(NET6_B)}, ttl, NOBODY},
	    {"IPv6 for nobody", 6, 3000, {TO_NET(NET6_B)}, no_peer, NOBODY},
	    {"after peer C", 6, 64, {TO_NET(NET6_C + 4)}, no_peer, NOBODY},
	    {"IPv6, one byte too long", 6, 1473, {{0}}, too_big, PEER_A},
	};

	for (size_t i = 0; i < LENGTH(cases); i++)
		expect_encap(&cases[i], strict_rules, false);
}

static enum counter encap(const uint8_t *packet, size_t bytes, size_t segment_bytes,
			  struct packet_rules rules)
{
	struct fwd_table *table = new_table();
	uint8_t *copy = exact_copy(packet, bytes);
	struct packet_verdict verdict;
	struct inner inner;
	enum counter outcome =
	    check_encap(copy, bytes, segment_bytes, &rules, table, &inner, &verdict);

	free(copy);
	fwd_table_free(table);
	return outcome;
}

static void finds_a_wrong_checksum_in_what_leaves(void)
{
	uint8_t *packet = new_ipv4(20, 64);

	packet[11] ^= 1;
	EXPECT(encap(packet, 64, 0, strict_rules), COUNTER_ENCAP_DROP_CHECKSUM);
	free(packet);
}

static void holds_the_longest_segment_against_the_mtu(void)
{
	struct packet_rules small = strict_rules;
	uint8_t *packet = new_ipv4(20, 9000), *packet6 = new_ipv6(9000);

	EXPECT(encap(packet6, 9000, OVERLAY_MTU, strict_rules), SENT);
	EXPECT(encap(packet6, 9000, OVERLAY_MTU + 1, strict_rules),
	       COUNTER_ENCAP_DROP_DONT_FRAGMENT);
	EXPECT(encap(packet6, 9000, 0, strict_rules), COUNTER_ENCAP_DROP_DONT_FRAGMENT);
	small.max_inner_bytes = 5000;
	EXPECT(encap(packet, 9000, 5000, small), SENT);
	EXPECT(encap(packet, 9000, 5001, small), COUNTER_ENCAP_DROP_TOO_LONG);
	EXPECT(encap(packet, 9000, 0, small), COUNTER_ENCAP_DROP_TOO_LONG);
	small.overlay_mtu = 6000;
	EXPECT(encap(packet6, 9000, 5001, small), COUNTER_ENCAP_DROP_TOO_LONG);
	free(packet6);
	free(packet);
}

/* Whole or broken: the kernel's own noise is one thing. */
static void drops_all_ipv6_as_noise_where_there_is_none(void)
{
	struct packet_rules rules = rules_with(SOURCE_CHECK_OFF, false);
	uint8_t *packet = new_ipv6(64);

	EXPECT(encap(packet, 64, 0, rules), COUNTER_ENCAP_DROP_IPV6);
	EXPECT(encap(packet, 40, 0, rules), COUNTER_ENCAP_DROP_IPV6);
	EXPECT(encap(packet, 20, 0, rules), COUNTER_ENCAP_DROP_IPV6);
	EXPECT(encap(packet, 19, 0, rules), COUNTER_ENCAP_DROP_SHORT);
	EXPECT(encap(packet, 0, 0, rules), COUNTER_ENCAP_DROP_SHORT);
	rules.has_ipv6 = true;
	EXPECT(encap(packet, 39, 0, rules), COUNTER_ENCAP_DROP_SHORT);
	free(packet);
}

static void treats_a_foreign_source_as_it_is_told(void)
{
	static const struct check_case cases[] = {
	    {"from outside", 4, 64, {FROM(0xcb007109)}, SENT, PEER_A},
	    {"from a peer's subnet", 4, 64, {FROM(PEER_POD)}, SENT, PEER_A},
	    {"IPv6 from outside", 6, 64, {FROM_NET(NET6_B)}, SENT, PEER_A},
	};
	static const struct check_case own = {"from a pod of ours", 4, 64, {{0}}, SENT, PEER_A};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		expect_encap(&cases[i], rules_with(SOURCE_CHECK_COUNT, true), true);
		expect_encap(&cases[i], rules_with(SOURCE_CHECK_OFF, true), false);
	}
	expect_encap(&own, rules_with(SOURCE_CHECK_COUNT, true), false);
}

static bool is_own_source(uint8_t *packet, size_t bytes, struct packet_rules rules)
{
	struct inner inner;

	EXPECT(inner_parse(&inner, packet, bytes), INNER_FAULT_NONE);
	free(packet);
	return check_is_own_source(&rules, &inner);
}

static void tells_own_sources_of_either_family(void)
{
	static const struct check_case inward = {.version = 4, .bytes = 64};
	static const struct check_case inward6 = {.version = 6, .bytes = 64};
	struct packet_rules only_ipv4 = rules_with(SOURCE_CHECK_STRICT, false);

	EXPECT(is_own_source(new_ipv4(20, 64), 64, strict_rules), true);
	EXPECT(is_own_source(new_case_packet(&inward, true), 64, strict_rules), false);
	EXPECT(is_own_source(new_ipv6(64), 64, strict_rules), true);
	EXPECT(is_own_source(new_case_packet(&inward6, true), 64, strict_rules), false);
	EXPECT(is_own_source(new_ipv6(64), 64, only_ipv4), false);
}

static const struct test_case cases[] = {
    CASE(sends_to_the_peer_that_owns_the_destination),
    CASE(keeps_in_what_must_not_leave),
    CASE(finds_a_wrong_checksum_in_what_leaves),
    CASE(holds_the_longest_segment_against_the_mtu),
    CASE(drops_all_ipv6_as_noise_where_there_is_none),
    CASE(treats_a_foreign_source_as_it_is_told),
    CASE(tells_own_sources_of_either_family),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
