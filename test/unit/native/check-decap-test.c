/* Facts about what native/packet/check.c lets in. */
#include "packet/check.h"

#include "c-test.h"
#include "check-rules.h"
#include "inner-packets.h"

#define DELIVERED COUNTER_DECAP_DELIVERED
#define VERSION COUNTER_DECAP_DROP_VERSION
#define EXTERNAL 0xcb007109 /* 203.0.113.9 */
#define NET6_B 0x20010db800030000
#define NET6_C 0x20010db800040000

/* The packet comes from check->peer. */
static void expect_decap(const struct check_case *check, struct packet_rules rules,
			 bool is_foreign_source)
{
	struct fwd_table *table = new_table();
	uint8_t *packet = new_case_packet(check, true), *before;
	struct packet_verdict verdict;
	struct inner inner;

	before = exact_copy(packet, check->bytes);
	expect(__LINE__, check->name,
	       check_decap(packet, check->bytes, 0, check->peer, &rules, table, &inner, &verdict),
	       check->outcome);
	expect(__LINE__, check->name, verdict.peer, check->peer);
	expect(__LINE__, check->name, verdict.is_foreign_source, is_foreign_source);
	EXPECT(memcmp(packet, before, check->bytes), 0);
	if (check->outcome == DELIVERED)
		EXPECT(inner.total_bytes, check->bytes);
	free(before);
	free(packet);
	fwd_table_free(table);
}

static void delivers_what_a_peer_may_send(void)
{
	static const struct check_case cases[] = {
	    {"from a pod of peer A", 4, 64, {{0}}, DELIVERED, PEER_A},
	    {"from its first address", 4, 64, {FROM(0x0af40200)}, DELIVERED, PEER_A},
	    {"from its last address", 4, 64, {FROM(0x0af402ff)}, DELIVERED, PEER_A},
	    {"from the last of peer B", 4, 64, {FROM(0x0af407ff)}, DELIVERED, PEER_B},
	    {"to our first address", 4, 64, {TO(0x0af40100)}, DELIVERED, PEER_A},
	    {"to our last address", 4, 64, {TO(0x0af401ff)}, DELIVERED, PEER_A},
	    {"with 2 hops left", 4, 64, {TTL(2)}, DELIVERED, PEER_A},
	    {"longer than the MTU: it is here", 4, 9000, {FLAG_DF}, DELIVERED, PEER_A},
	    {"65,535 bytes", 4, 65535, {{0}}, DELIVERED, PEER_A},
	    {"IPv6", 6, 64, {{0}}, DELIVERED, PEER_A},
	    {"from the last of peer C", 6, 64, {FROM_NET(NET6_C + 3)}, DELIVERED, PEER_C},
	    {"to our last of IPv6", 6, 64, {TO_HOST(UINT64_MAX)}, DELIVERED, PEER_A},
	    {"IPv6 with 2 hops left", 6, 64, {HOPS(2)}, DELIVERED, PEER_A},
	    {"IPv6 longer than the MTU", 6, 9000, {{0}}, DELIVERED, PEER_A},
	};

	for (size_t i = 0; i < LENGTH(cases); i++)
		expect_decap(&cases[i], strict_rules, false);
}

/* Those with two faults show which one is looked for first. */
static void keeps_out_what_must_not_enter(void)
{
	const enum counter foreign = COUNTER_DECAP_DROP_FOREIGN_SOURCE;
	const enum counter elsewhere = COUNTER_DECAP_DROP_FOREIGN_DESTINATION;
	const enum counter martian = COUNTER_DECAP_DROP_MARTIAN;
	const enum counter total_length = COUNTER_DECAP_DROP_TOTAL_LENGTH;
	const enum counter ttl = COUNTER_DECAP_DROP_TTL;
	const struct check_case cases[] = {
	    {"version 5", 4, 64, {{0, 4, 5}}, VERSION, PEER_A},
	    {"IHL 4", 4, 64, {{4, 4, 4}}, COUNTER_DECAP_DROP_HEADER_LENGTH, PEER_A},
	    {"too short", 4, 64, {{16, 16, 65}}, total_length, PEER_A},
	    {"from a martian", 4, 64, {FROM(0xffffffff)}, martian, PEER_A},
	    {"to a martian", 4, 64, {TO(0x7f000001)}, martian, PEER_A},
	    {"from before the peer's", 4, 64, {FROM(0x0af401ff)}, foreign, PEER_A},
	    {"from after the peer's", 4, 64, {FROM(0x0af40300)}, foreign, PEER_A},
	    {"of another peer", 4, 64, {{0}}, foreign, PEER_B},
	    {"from a pod of ours", 4, 64, {FROM(0x0af40106)}, foreign, PEER_A},
	    {"foreign, to outside", 4, 64, {FROM(EXTERNAL), TO(EXTERNAL)}, foreign, PEER_A},
	    {"to before our subnet", 4, 64, {TO(0x0af400ff)}, elsewhere, PEER_A},
	    {"to another peer: no relay", 4, 64, {TO(0x0af40500)}, elsewhere, PEER_A},
	    {"no hops, to outside", 4, 64, {TO(EXTERNAL), TTL(1)}, elsewhere, PEER_A},
	    {"no hops", 4, 64, {TTL(0)}, ttl, PEER_A},
	    {"one hop", 4, 64, {TTL(1)}, ttl, PEER_A},
	    {"IPv6 too short", 6, 64, {{32, 16, 25}}, total_length, PEER_A},
	    {"from link-local", 6, 64, {FROM_NET(0xfe80ull << 48)}, martian, PEER_A},
	    {"to multicast", 6, 64, {TO_NET(0xff02ull << 48)}, martian, PEER_A},
	    {"IPv6 of another peer", 6, 64, {{0}}, foreign, PEER_C},
	    {"IPv6 of a peer without", 6, 64, {{0}}, foreign, PEER_B},
	    {"from ours", 6, 64, {FROM_NET(POD_NET6)}, foreign, PEER_A},
	    {"to another net", 6, 64, {TO_NET(NET6_C), HOPS(0)}, elsewhere, PEER_A},
	    {"IPv6, one hop", 6, 64, {HOPS(1)}, ttl, PEER_A},
	};

	for (size_t i = 0; i < LENGTH(cases); i++)
		expect_decap(&cases[i], strict_rules, false);
}

static void treats_a_foreign_source_as_it_is_told(void)
{
	static const struct check_case cases[] = {
	    {"from outside", 4, 64, {FROM(EXTERNAL)}, DELIVERED, PEER_A},
	    {"of another peer", 4, 64, {{0}}, DELIVERED, PEER_B},
	    {"IPv6 of a peer without", 6, 64, {{0}}, DELIVERED, PEER_B},
	};
	static const struct check_case right = {"its own", 4, 64, {{0}}, DELIVERED, PEER_A};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		expect_decap(&cases[i], rules_with(SOURCE_CHECK_COUNT, true), true);
		expect_decap(&cases[i], rules_with(SOURCE_CHECK_OFF, true), false);
	}
	expect_decap(&right, rules_with(SOURCE_CHECK_COUNT, true), false);
}

static void refuses_our_own_source_whatever_it_is_told(void)
{
	static const struct check_case cases[] = {
	    {"IPv4", 4, 64, {FROM(0x0af401ff)}, COUNTER_DECAP_DROP_FOREIGN_SOURCE, PEER_A},
	    {"IPv6", 6, 64, {FROM_NET(POD_NET6)}, COUNTER_DECAP_DROP_FOREIGN_SOURCE, PEER_A},
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		expect_decap(&cases[i], rules_with(SOURCE_CHECK_COUNT, true), false);
		expect_decap(&cases[i], rules_with(SOURCE_CHECK_OFF, true), false);
	}
}

/* Of the first `bytes` bytes of a packet from peer A, in a frame that said `version`. */
static enum counter decap(const uint8_t *packet, size_t bytes, uint8_t version, bool has_ipv6)
{
	struct packet_rules rules = rules_with(SOURCE_CHECK_STRICT, has_ipv6);
	struct fwd_table *table = new_table();
	uint8_t *copy = exact_copy(packet, bytes);
	struct packet_verdict verdict;
	struct inner inner;
	enum counter outcome =
	    check_decap(copy, bytes, version, PEER_A, &rules, table, &inner, &verdict);

	free(copy);
	fwd_table_free(table);
	return outcome;
}

static void finds_a_wrong_checksum_in_what_comes(void)
{
	static const struct check_case check = {.version = 4, .bytes = 64};
	uint8_t *packet = new_case_packet(&check, true);

	packet[11] ^= 1;
	EXPECT(decap(packet, 64, 4, true), COUNTER_DECAP_DROP_CHECKSUM);
	free(packet);
}

static void refuses_another_version_than_the_frame_said(void)
{
	static const struct check_case check = {.version = 4, .bytes = 64};
	static const struct check_case check6 = {.version = 6, .bytes = 64};
	uint8_t *packet = new_case_packet(&check, true), *packet6 = new_case_packet(&check6, true);

	EXPECT(decap(packet, 64, 4, true), DELIVERED);
	EXPECT(decap(packet, 64, 0, true), DELIVERED);
	EXPECT(decap(packet, 64, 6, true), VERSION);
	EXPECT(decap(packet, 20, 6, true), VERSION); /* before its total length */
	EXPECT(decap(packet, 19, 6, true), COUNTER_DECAP_DROP_SHORT);
	EXPECT(decap(packet6, 64, 6, true), DELIVERED);
	EXPECT(decap(packet6, 64, 0, true), DELIVERED);
	EXPECT(decap(packet6, 64, 4, true), VERSION);
	EXPECT(decap(packet6, 39, 4, true), VERSION);
	EXPECT(decap(packet6, 39, 6, true), COUNTER_DECAP_DROP_SHORT);
	free(packet6);
	free(packet);
}

static void refuses_ipv6_where_there_is_none(void)
{
	static const struct check_case check6 = {.version = 6, .bytes = 64};
	uint8_t *packet = new_case_packet(&check6, true);

	EXPECT(decap(packet, 64, 6, false), VERSION);
	EXPECT(decap(packet, 64, 0, false), VERSION);
	EXPECT(decap(packet, 20, 0, false), VERSION);
	EXPECT(decap(packet, 19, 0, false), COUNTER_DECAP_DROP_SHORT);
	EXPECT(decap(packet, 0, 0, false), COUNTER_DECAP_DROP_SHORT);
	free(packet);
}

static const struct test_case cases[] = {
    CASE(delivers_what_a_peer_may_send),	 CASE(keeps_out_what_must_not_enter),
    CASE(treats_a_foreign_source_as_it_is_told), CASE(refuses_our_own_source_whatever_it_is_told),
    CASE(finds_a_wrong_checksum_in_what_comes),	 CASE(refuses_another_version_than_the_frame_said),
    CASE(refuses_ipv6_where_there_is_none),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
