/*
 * The forwarding table against a linear scan. Input: number of entries in the first table (1), then
 * entries of 6 bytes. The second table is made of the rest, with the first as its previous one.
 */
#include "fuzz.h"

#include "engine/fwd_table.h"

#include <errno.h>

#define ENTRY_BYTES 6
#define MAX_ENTRIES 24
#define PEER_PORT 8285

/* Bits of an entry's fourth byte; the lowest two widen its IPv4 subnet. */
#define IS_UPSIDE_DOWN 0x04u
#define HAS_IPV6 0x08u
#define IS_UPSIDE_DOWN6 0x10u
#define REACHES_HIGH6 0x20u /* its IPv6 subnet differs in the upper 64 bits, too */
#define HAS_MAC 0x40u

static void put_ip6(uint8_t *at, struct ip6 address)
{
	write_be32(at, (uint32_t)(address.high >> 32));
	write_be32(at + 4, (uint32_t)address.high);
	write_be32(at + 8, (uint32_t)(address.low >> 32));
	write_be32(at + 12, (uint32_t)address.low);
}

/* Close to each other, so that both meetings and misses are common. */
static struct fwd_entry take_entry(struct input *input)
{
	uint16_t base = take_u16(input);
	uint8_t span = take_u8(input), flags = take_u8(input);
	uint8_t underlay = take_u8(input), base6 = take_u8(input);
	struct ip6 first6 = {0x20010db800000000 | base6 >> 4, (uint64_t)(base6 & 15) << 60};
	struct ip6 last6 = {first6.high + (flags & REACHES_HIGH6 ? span >> 4 : 0),
			    first6.low | span};
	struct fwd_entry entry = {.underlay = 0xc6336400u + underlay};

	entry.first = 0x0af40000u + base;
	entry.last = entry.first + ((uint32_t)span << (flags & 3) * 2);
	if (flags & IS_UPSIDE_DOWN)
		entry.last = entry.first - 1 - span;
	if (flags & HAS_MAC)
		memset(entry.vtep_mac, underlay, sizeof(entry.vtep_mac));
	entry.has_ipv6 = (flags & HAS_IPV6) != 0;
	put_ip6(entry.first6, flags & IS_UPSIDE_DOWN6 ? last6 : first6);
	put_ip6(entry.last6, flags & IS_UPSIDE_DOWN6 ? first6 : last6);
	return entry;
}

/* Network order compares as bytes. */
NOT_TRACED static bool is_between(const uint8_t *first, const uint8_t *address, const uint8_t *last)
{
	return memcmp(first, address, 16) <= 0 && memcmp(address, last, 16) <= 0;
}

static bool fit_each_other(const struct fwd_entry *a, const struct fwd_entry *b)
{
	if (a->underlay == b->underlay)
		return false;
	if (a->first <= b->last && b->first <= a->last)
		return false;
	return !a->has_ipv6 || !b->has_ipv6 || memcmp(a->first6, b->last6, 16) > 0 ||
	       memcmp(b->first6, a->last6, 16) > 0;
}

static bool are_right(const struct fwd_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (entries[i].first > entries[i].last)
			return false;
		if (entries[i].has_ipv6 && memcmp(entries[i].first6, entries[i].last6, 16) > 0)
			return false;
		for (size_t j = 0; j < i; j++)
			if (!fit_each_other(&entries[i], &entries[j]))
				return false;
	}
	return true;
}

/* The entry that owns the address, or `count`. */
NOT_TRACED static size_t owner_of(const struct fwd_entry *entries, size_t count, uint32_t address)
{
	size_t i = 0;

	while (i < count && (address < entries[i].first || address > entries[i].last))
		i++;
	return i;
}

NOT_TRACED static size_t owner6_of(const struct fwd_entry *entries, size_t count,
				   const uint8_t *address)
{
	size_t i = 0;

	while (i < count &&
	       (!entries[i].has_ipv6 || !is_between(entries[i].first6, address, entries[i].last6)))
		i++;
	return i;
}

NOT_TRACED static size_t owner_of_underlay(const struct fwd_entry *entries, size_t count,
					   uint32_t underlay)
{
	size_t i = 0;

	while (i < count && entries[i].underlay != underlay)
		i++;
	return i;
}

/* `peer` is entry `i`, or none when that is `count`. */
NOT_TRACED static void check_is_entry(const struct fwd_table *table, uint32_t peer,
				      const struct fwd_entry *entries, size_t count, size_t i)
{
	const struct fwd_peer *found;

	MUST((peer == FWD_NO_PEER) == (i == count));
	if (i == count)
		return;
	found = fwd_table_peer(table, peer);
	MUST(found->first == entries[i].first && found->last == entries[i].last);
	MUST(found->underlay == entries[i].underlay);
	MUST(memcmp(found->vtep_mac, entries[i].vtep_mac, 6) == 0);
	MUST(found->address.sin_port == htons(PEER_PORT));
	MUST(found->address.sin_addr.s_addr == htonl(entries[i].underlay));
}

NOT_TRACED static void check_address(const struct fwd_table *table, const struct fwd_entry *entries,
				     size_t count, uint32_t address)
{
	struct inner inner = {.version = 4, .source = address, .destination = address};
	size_t owner = owner_of(entries, count, address);

	check_is_entry(table, fwd_peer_of_destination(table, &inner), entries, count, owner);
	for (uint32_t peer = 0; peer < count; peer++) {
		const struct fwd_peer *p = fwd_table_peer(table, peer);
		bool is_owner = owner < count && p->underlay == entries[owner].underlay;

		MUST(fwd_is_source_of(table, peer, &inner) == is_owner);
		MUST(fwd_is_host_of(table, peer, &inner) == (is_owner && address != p->last));
	}
}

NOT_TRACED static void check_address6(const struct fwd_table *table,
				      const struct fwd_entry *entries, size_t count,
				      const uint8_t *bytes)
{
	struct ip6 address = read_ip6(bytes);
	struct inner inner = {.version = 6, .source6 = address, .destination6 = address};
	size_t owner = owner6_of(entries, count, bytes);

	check_is_entry(table, fwd_peer_of_destination(table, &inner), entries, count, owner);
	for (uint32_t peer = 0; peer < count; peer++) {
		uint32_t underlay = fwd_table_peer(table, peer)->underlay;
		bool is_owner = owner < count && underlay == entries[owner].underlay;

		MUST(fwd_is_source_of(table, peer, &inner) == is_owner);
		MUST(fwd_is_host_of(table, peer, &inner) == is_owner);
	}
}

/* One below (-1), at (0) or one above (1) an address in network order. */
NOT_TRACED static void step(uint8_t out[16], const uint8_t from[16], int by)
{
	int carry = by;

	for (size_t i = 16; i-- > 0;) {
		int value = from[i] + carry;

		out[i] = (uint8_t)value;
		carry = value < 0 ? -1 : value / 256;
	}
}

/* Every edge of every entry, and one address on either side of it. */
NOT_TRACED static void check_lookups(const struct fwd_table *table, const struct fwd_entry *entries,
				     size_t count)
{
	uint8_t address6[16];

	MUST(fwd_table_count(table) == count);
	for (size_t i = 0; i < count; i++) {
		uint32_t underlay = entries[i].underlay;

		MUST(i == 0 || fwd_table_peer(table, (uint32_t)i - 1)->last <
				   fwd_table_peer(table, (uint32_t)i)->first);
		for (int by = -1; by <= 1; by++) {
			check_address(table, entries, count, entries[i].first + (uint32_t)by);
			check_address(table, entries, count, entries[i].last + (uint32_t)by);
			step(address6, entries[i].first6, by);
			check_address6(table, entries, count, address6);
			step(address6, entries[i].last6, by);
			check_address6(table, entries, count, address6);
			check_is_entry(table, fwd_peer_of_underlay(table, underlay + (uint32_t)by),
				       entries, count,
				       owner_of_underlay(entries, count, underlay + (uint32_t)by));
		}
	}
}

static struct fwd_peer_state *state_of(const struct fwd_table *table, uint32_t underlay)
{
	return fwd_table_peer(table, fwd_peer_of_underlay(table, underlay))->state;
}

/* A peer keeps its counters exactly when its underlay address and IPv4 subnet stay. */
static void check_states(const struct fwd_table *old, const struct fwd_entry *old_entries,
			 size_t old_count, const struct fwd_table *table,
			 const struct fwd_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t j = owner_of_underlay(old_entries, old_count, entries[i].underlay);
		struct fwd_peer_state *state = state_of(table, entries[i].underlay);
		bool stays = j < old_count && old_entries[j].first == entries[i].first &&
			     old_entries[j].last == entries[i].last;

		if (stays)
			MUST(state == state_of(old, entries[i].underlay));
		MUST(state->threads[0].encap_packets == (stays ? entries[i].underlay : 0));
	}
}

/* Each peer's counter, so that it is known again. */
static void mark_states(const struct fwd_table *table, const struct fwd_entry *entries,
			size_t count)
{
	for (size_t i = 0; i < count; i++)
		peer_counters_add(&state_of(table, entries[i].underlay)->threads[0].encap_packets,
				  entries[i].underlay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input input = {data, bytes};
	size_t count = take_u8(&input) % (MAX_ENTRIES / 2), old_count = 0;
	struct fwd_entry entries[MAX_ENTRIES], old_entries[MAX_ENTRIES / 2];
	struct fwd_table *table, *old;
	int ret;

	while (old_count < count && input.left >= ENTRY_BYTES)
		old_entries[old_count++] = take_entry(&input);
	ret = fwd_table_create(old_entries, old_count, PEER_PORT, 1, NULL, &old);
	MUST(ret == (are_right(old_entries, old_count) ? 0 : -EINVAL));
	if (ret < 0)
		return 0;
	check_lookups(old, old_entries, old_count);
	mark_states(old, old_entries, old_count);

	for (count = 0; count < MAX_ENTRIES && input.left >= ENTRY_BYTES;)
		entries[count++] = take_entry(&input);
	ret = fwd_table_create(entries, count, PEER_PORT, 1, old, &table);
	MUST(ret == (are_right(entries, count) ? 0 : -EINVAL));
	if (ret == 0)
		check_states(old, old_entries, old_count, table, entries, count);
	fwd_table_free(old);
	if (ret < 0)
		return 0;
	check_lookups(table, entries, count);
	mark_states(table, entries, count); /* what the old table's end must not have freed */
	fwd_table_free(table);
	return 0;
}
