/*
 * Who is where in the tests of native/packet/check.c:
 *
 *   own pods 10.244.1.0/24   2001:db8:1::/64
 *   peer A   10.244.2.0/24   2001:db8:2::/64
 *   peer B   10.244.4.0/22   none
 *   peer C   10.244.8.0/24   2001:db8:4::/62
 */
#ifndef TWILL_CHECK_RULES_H
#define TWILL_CHECK_RULES_H

#include "packet/check.h"

#include "fwd-entries.h"
#include "inner-packets.h"

/* Their places in the table. */
#define PEER_A 0
#define PEER_B 1
#define PEER_C 2

#define OVERLAY_MTU 1472
#define MAX_INNER_BYTES 65507

static const struct packet_rules strict_rules = {
    .own_first = 0x0af40100,
    .own_last = 0x0af401ff,
    .own6_first = {POD_NET6, 0},
    .own6_last = {POD_NET6, UINT64_MAX},
    .has_ipv6 = true,
    .source_check = SOURCE_CHECK_STRICT,
    .overlay_mtu = OVERLAY_MTU,
    .max_inner_bytes = MAX_INNER_BYTES,
};

static inline struct packet_rules rules_with(enum source_check source_check, bool has_ipv6)
{
	struct packet_rules rules = strict_rules;

	rules.source_check = source_check;
	rules.has_ipv6 = has_ipv6;
	return rules;
}

static inline struct fwd_table *new_table(void)
{
	struct fwd_entry entries[] = {
	    [PEER_A] = entry(0x0af40200, 0x0af402ff, 0xc0000202),
	    [PEER_B] = entry(0x0af40400, 0x0af407ff, 0xc0000203),
	    [PEER_C] = entry(0x0af40800, 0x0af408ff, 0xc0000204),
	};

	entries[PEER_A].has_ipv6 = 1;
	write_ip6(entries[PEER_A].first6, (struct ip6){PEER_NET6, 0});
	write_ip6(entries[PEER_A].last6, (struct ip6){PEER_NET6, UINT64_MAX});
	entries[PEER_C].has_ipv6 = 1;
	write_ip6(entries[PEER_C].first6, (struct ip6){0x20010db800040000, 0});
	write_ip6(entries[PEER_C].last6, (struct ip6){0x20010db800040003, UINT64_MAX});
	return create(entries, LENGTH(entries), NULL);
}

/* One field of a packet, to be written over. */
struct edit {
	size_t at, count;
	uint64_t value;
};

#define FROM(address)                    \
	{                                \
		IPV4_SOURCE, 32, address \
	}
#define TO(address)                           \
	{                                     \
		IPV4_DESTINATION, 32, address \
	}
#define TTL(hops)                 \
	{                         \
		IPV4_TTL, 8, hops \
	}
#define FLAG_DF                         \
	{                               \
		IPV4_FRAGMENT + 1, 1, 1 \
	}
#define FROM_NET(high)                \
	{                             \
		IPV6_SOURCE, 64, high \
	}
#define TO_NET(high)                       \
	{                                  \
		IPV6_DESTINATION, 64, high \
	}
#define FROM_HOST(low)                    \
	{                                 \
		IPV6_SOURCE + 64, 64, low \
	}
#define TO_HOST(low)                           \
	{                                      \
		IPV6_DESTINATION + 64, 64, low \
	}
#define HOPS(hops)                      \
	{                               \
		IPV6_HOP_LIMIT, 8, hops \
	}

/* A packet of an own pod to a pod of peer A, or, for what comes in, the other way round. */
struct check_case {
	const char *name;
	uint8_t version;
	size_t bytes;
	struct edit edits[2];
	enum counter outcome;
	uint32_t peer;
};

static inline uint8_t *new_case_packet(const struct check_case *check, bool is_inward)
{
	bool is_ipv4 = check->version == 4;
	uint8_t *packet = is_ipv4 ? new_ipv4(20, check->bytes) : new_ipv6(check->bytes);

	if (is_inward && is_ipv4) {
		set_field(packet, IPV4_SOURCE, 32, PEER_POD);
		set_field(packet, IPV4_DESTINATION, 32, OWN_POD);
	} else if (is_inward) {
		set_field(packet, IPV6_SOURCE, 64, PEER_NET6);
		set_field(packet, IPV6_DESTINATION, 64, POD_NET6);
	}
	for (size_t i = 0; i < LENGTH(check->edits); i++)
		set_field(packet, check->edits[i].at, check->edits[i].count, check->edits[i].value);
	if (is_ipv4)
		seal_ipv4(packet);
	return packet;
}

#endif
