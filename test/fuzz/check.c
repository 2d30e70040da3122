/*
 * inner_parse(), check_encap(), check_decap() and inner_take_hop() against the rules read a byte
 * at a time. Input: settings (1), peer and longest segment (1), packet.
 */
#include "fuzz.h"
#include "slow.h"

#include "packet/check.h"

#define DECAP 0x01u
#define HAS_IPV6 0x02u
#define MENDS 0x04u /* or else a wrong IPv4 checksum would end nearly every input */
#define SETTING_SOURCE_CHECK(settings) ((settings) >> 3 & 3u)
#define SETTING_VERSION(settings) ((settings) >> 5 & 3u)
#define SMALL_MTU 0x80u

#define PEERS 3

/* This host is peer -1 of: peers 0 to 2, in the order of their subnets. */
static const struct slow_prefix own4 = {{10, 244, 1}, 24};
static const struct slow_prefix own6 = {{0x20, 0x01, 0x0d, 0xb8, 0, 1}, 48};
static const struct slow_prefix peers4[PEERS] = {
    {{10, 244, 2}, 24}, {{10, 244, 4}, 22}, {{10, 244, 9, 8}, 29}};
static const struct slow_prefix peers6[PEERS] = {{{0x20, 0x01, 0x0d, 0xb8, 0, 2}, 48},
						 {{0}, 128}, /* carries no IPv6: :: is a martian */
						 {{0x20, 0x01, 0x0d, 0xb8, 0, 9, 0, 0x80}, 58}};

static const struct slow_prefix martians4[] = {
    {{0}, 8}, {{127}, 8}, {{169, 254}, 16}, {{224}, 4}, {{240}, 4}};
static const struct slow_prefix martians6[] = {
    {{0}, 128},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},
    {{0xfe, 0x80}, 10},
    {{0xff}, 8}};

/* The packet, and what is known of it when inner_parse() must find no fault. */
struct view {
	const uint8_t *packet;
	size_t bytes, total;
	bool is_ipv4;
	const uint8_t *source, *destination;
	unsigned ttl;
	bool must_not_fragment;
};

static bool is_martian(const struct view *view, const uint8_t *address)
{
	const struct slow_prefix *list = view->is_ipv4 ? martians4 : martians6;

	for (size_t i = 0; i < sizeof(martians4) / sizeof(martians4[0]); i++)
		if (slow_is_in(address, &list[i]))
			return true;
	return false;
}

static enum inner_fault ipv4_fault(struct view *view)
{
	const uint8_t *p = view->packet;
	size_t header = slow_ipv4_header_bytes(p);

	if (header < 20 || header > view->bytes)
		return INNER_FAULT_HEADER_LENGTH;
	view->total = slow_u16(p + 2);
	if (view->total < header || view->total > view->bytes)
		return INNER_FAULT_TOTAL_LENGTH;
	if (!slow_ipv4_is_right(p))
		return INNER_FAULT_CHECKSUM;
	view->source = p + 12;
	view->destination = p + 16;
	view->ttl = p[8];
	view->must_not_fragment = p[6] / 64 % 2;
	return INNER_FAULT_NONE;
}

static enum inner_fault ipv6_fault(struct view *view)
{
	const uint8_t *p = view->packet;

	if (view->bytes < 40)
		return INNER_FAULT_SHORT;
	view->total = 40 + slow_u16(p + 4);
	if (view->total == 40 || view->total > view->bytes)
		return INNER_FAULT_TOTAL_LENGTH;
	view->source = p + 8;
	view->destination = p + 24;
	view->ttl = p[7];
	view->must_not_fragment = true;
	return INNER_FAULT_NONE;
}

static enum inner_fault fault_of(struct view *view)
{
	enum inner_fault fault;

	if (view->bytes < 20)
		return INNER_FAULT_SHORT;
	view->is_ipv4 = view->packet[0] / 16 == 4;
	if (!view->is_ipv4 && view->packet[0] / 16 != 6)
		return INNER_FAULT_VERSION;
	fault = view->is_ipv4 ? ipv4_fault(view) : ipv6_fault(view);
	if (fault == INNER_FAULT_NONE &&
	    (is_martian(view, view->source) || is_martian(view, view->destination)))
		return INNER_FAULT_MARTIAN;
	return fault;
}

static bool is_own(const struct view *view, const uint8_t *address)
{
	return slow_is_in(address, view->is_ipv4 ? &own4 : &own6);
}

static bool is_of(const struct view *view, const uint8_t *address, uint32_t peer)
{
	return slow_is_in(address, view->is_ipv4 ? &peers4[peer] : &peers6[peer]);
}

/* Both lists of drops have the same reasons in the same order; MARTIAN is each one's last. */
static enum counter drop_of(enum inner_fault fault, enum counter martian)
{
	return martian - (INNER_FAULT_MARTIAN - fault);
}

struct wanted {
	enum counter outcome;
	uint32_t peer;
	bool is_foreign_source;
};

static struct wanted wanted_encap(struct view *view, size_t longest,
				  const struct packet_rules *rules)
{
	enum inner_fault fault = fault_of(view);
	struct wanted wanted = {.peer = 0};
	bool is_foreign;

	wanted.outcome = COUNTER_ENCAP_DROP_IPV6;
	if (view->bytes >= 20 && view->packet[0] / 16 == 6 && !rules->has_ipv6)
		return wanted;
	wanted.outcome = fault == INNER_FAULT_SHORT ? COUNTER_ENCAP_DROP_SHORT
						    : drop_of(fault, COUNTER_ENCAP_DROP_MARTIAN);
	if (fault != INNER_FAULT_NONE)
		return wanted;
	is_foreign = !is_own(view, view->source);
	wanted.outcome = COUNTER_ENCAP_DROP_FOREIGN_SOURCE;
	if (is_foreign && rules->source_check == SOURCE_CHECK_STRICT)
		return wanted;
	wanted.outcome = COUNTER_ENCAP_DROP_OWN_DESTINATION;
	if (is_own(view, view->destination))
		return wanted;
	wanted.outcome = COUNTER_ENCAP_DROP_TTL;
	if (view->ttl < 2)
		return wanted;
	wanted.outcome = COUNTER_ENCAP_DROP_NO_PEER;
	while (wanted.peer < PEERS && !is_of(view, view->destination, wanted.peer))
		wanted.peer++;
	if (wanted.peer == PEERS)
		return wanted;
	if (longest == 0)
		longest = view->total;
	wanted.outcome = COUNTER_ENCAP_DROP_DONT_FRAGMENT;
	if (longest > rules->overlay_mtu && view->must_not_fragment)
		return wanted;
	wanted.outcome = COUNTER_ENCAP_DROP_TOO_LONG;
	if (longest > rules->max_inner_bytes)
		return wanted;
	wanted.outcome = COUNTER_ENCAP_SENT;
	wanted.is_foreign_source = is_foreign && rules->source_check == SOURCE_CHECK_COUNT;
	return wanted;
}

static struct wanted wanted_decap(struct view *view, unsigned version, uint32_t peer,
				  const struct packet_rules *rules)
{
	enum inner_fault fault = fault_of(view);
	struct wanted wanted = {.peer = peer};
	bool is_foreign;

	wanted.outcome = COUNTER_DECAP_DROP_VERSION;
	if (view->bytes >= 20) {
		unsigned own_version = view->packet[0] / 16;

		if ((own_version == 6 && !rules->has_ipv6) ||
		    (version != 0 && own_version != version))
			return wanted;
	}
	wanted.outcome = fault == INNER_FAULT_SHORT ? COUNTER_DECAP_DROP_SHORT
						    : drop_of(fault, COUNTER_DECAP_DROP_MARTIAN);
	if (fault != INNER_FAULT_NONE)
		return wanted;
	is_foreign = !is_of(view, view->source, peer);
	wanted.outcome = COUNTER_DECAP_DROP_FOREIGN_SOURCE;
	if (is_own(view, view->source) ||
	    (is_foreign && rules->source_check == SOURCE_CHECK_STRICT))
		return wanted;
	wanted.outcome = COUNTER_DECAP_DROP_FOREIGN_DESTINATION;
	if (!is_own(view, view->destination))
		return wanted;
	wanted.outcome = COUNTER_DECAP_DROP_TTL;
	if (view->ttl < 2)
		return wanted;
	wanted.outcome = COUNTER_DECAP_DELIVERED;
	wanted.is_foreign_source = is_foreign && rules->source_check == SOURCE_CHECK_COUNT;
	return wanted;
}

static void check_inner(const struct view *view, const struct inner *inner)
{
	const uint8_t *p = view->packet;
	struct slow_chain chain = {0};

	MUST(inner->total_bytes == view->total && inner->ip_ttl == view->ttl);
	MUST(inner->must_not_fragment == view->must_not_fragment);
	if (view->is_ipv4) {
		unsigned offset = slow_u16(p + 6) % 0x2000;

		MUST(inner->version == 4 && inner->protocol == p[9]);
		MUST(inner->header_bytes == slow_ipv4_header_bytes(p));
		MUST(inner->is_later_fragment == (offset > 0));
		MUST(inner->is_fragment == (offset > 0 || p[6] / 32 % 2 == 1));
		return;
	}
	chain = slow_follow(p, view->total);
	MUST(inner->version == 6 && inner->protocol == p[6] && inner->header_bytes == 40);
	MUST(inner->is_fragment == chain.is_fragment);
	MUST(inner->is_later_fragment == chain.is_later_fragment);
}

/* The packet is exactly as before, with one hop less and a checksum that is summed anew. */
static void check_hop(struct arena *arena, const struct view *view)
{
	uint8_t *hop = arena_copy(arena, view->packet, view->total);
	uint8_t *slow = arena_copy(arena, view->packet, view->total);

	inner_take_hop(hop);
	slow[view->is_ipv4 ? 8 : 7]--;
	if (view->is_ipv4)
		slow_mend_ipv4(slow);
	MUST(memcmp(hop, slow, view->total) == 0);
}

static void put_range(uint8_t *first, uint8_t *last, const struct slow_prefix *prefix, size_t bytes)
{
	for (unsigned bit = 0; bit < bytes * 8; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		first[bit / 8] |= prefix->bytes[bit / 8] & mask;
		last[bit / 8] |= bit < prefix->bits ? prefix->bytes[bit / 8] & mask : mask;
	}
}

static struct fwd_table *table;
static struct packet_rules own_rules;
static struct arena arena;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct fwd_entry entries[PEERS] = {0};
	uint8_t first[16] = {0}, last[16] = {0};

	(void)argc;
	(void)argv;
	for (uint32_t i = 0; i < PEERS; i++) {
		uint8_t first4[4] = {0}, last4[4] = {0};

		put_range(first4, last4, &peers4[i], 4);
		entries[i].first = read_be32(first4);
		entries[i].last = read_be32(last4);
		entries[i].underlay = 0xc0000202 + i; /* 192.0.2.2 and on */
		entries[i].has_ipv6 = i != 1;
		put_range(entries[i].first6, entries[i].last6, &peers6[i], 16);
	}
	MUST(fwd_table_create(entries, PEERS, 8285, 1, NULL, &table) == 0);
	put_range(first, last, &own4, 4);
	own_rules.own_first = read_be32(first);
	own_rules.own_last = read_be32(last);
	memset(first, 0, sizeof(first));
	memset(last, 0, sizeof(last));
	put_range(first, last, &own6, 16);
	own_rules.own6_first = read_ip6(first);
	own_rules.own6_last = read_ip6(last);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const uint8_t versions[] = {0, 4, 6, 0};
	struct input input = {data, bytes};
	uint8_t settings = take_u8(&input), number = take_u8(&input);
	struct packet_rules rules = own_rules;
	struct packet_verdict verdict;
	struct wanted wanted;
	struct inner inner;
	struct view view = {0};
	uint8_t *packet;
	enum counter outcome;

	rules.has_ipv6 = settings & HAS_IPV6;
	rules.source_check = (enum source_check)(SETTING_SOURCE_CHECK(settings) % 3);
	rules.overlay_mtu = settings & SMALL_MTU ? 40 : 1472;
	rules.max_inner_bytes = settings & SMALL_MTU ? 64 : 65507;
	arena_reset(&arena);
	packet = arena_copy(&arena, input.at, input.left);
	if (settings & MENDS)
		slow_mend_if_ipv4(packet, input.left);
	view.packet = arena_copy(&arena, packet, input.left);
	view.bytes = input.left;

	if (settings & DECAP) {
		uint8_t version = versions[SETTING_VERSION(settings)];
		uint32_t peer = number % PEERS;

		outcome =
		    check_decap(packet, input.left, version, peer, &rules, table, &inner, &verdict);
		wanted = wanted_decap(&view, version, peer, &rules);
	} else {
		outcome = check_encap(packet, input.left, number, &rules, table, &inner, &verdict);
		wanted = wanted_encap(&view, number, &rules);
	}
	MUST(outcome == wanted.outcome);
	MUST(memcmp(packet, view.packet, view.bytes) == 0);
	if (outcome != COUNTER_ENCAP_SENT && outcome != COUNTER_DECAP_DELIVERED)
		return 0;
	MUST(verdict.peer == wanted.peer && verdict.is_foreign_source == wanted.is_foreign_source);
	check_inner(&view, &inner);
	check_hop(&arena, &view);
	return 0;
}
