/* Forwarding tables as the tests of native/engine/ make them. */
#ifndef TWILL_FWD_ENTRIES_H
#define TWILL_FWD_ENTRIES_H

#include "engine/fwd_table.h"

#include "c-test.h"

#define PEER_PORT 8285
#define THREADS 2 /* of every table */

static inline void write_ip6(uint8_t *at, struct ip6 address)
{
	for (int i = 0; i < 8; i++) {
		at[i] = (uint8_t)(address.high >> (56 - 8 * i));
		at[8 + i] = (uint8_t)(address.low >> (56 - 8 * i));
	}
}

static inline struct fwd_entry entry(uint32_t first, uint32_t last, uint32_t underlay)
{
	return (struct fwd_entry){.first = first, .last = last, .underlay = underlay};
}

static inline struct fwd_entry entry6(uint32_t number, struct ip6 first, struct ip6 last)
{
	struct fwd_entry made = entry(number, number, number);

	made.has_ipv6 = 1;
	write_ip6(made.first6, first);
	write_ip6(made.last6, last);
	return made;
}

static inline int try_create(const struct fwd_entry *entries, size_t count,
			     const struct fwd_table *previous, struct fwd_table **table)
{
	return fwd_table_create(entries, count, PEER_PORT, THREADS, previous, table);
}

static inline struct fwd_table *create(const struct fwd_entry *entries, size_t count,
				       const struct fwd_table *previous)
{
	struct fwd_table *table = NULL;

	EXPECT(try_create(entries, count, previous, &table), 0);
	return table;
}

static inline struct inner to(uint32_t destination)
{
	return (struct inner){.version = 4, .destination = destination};
}

static inline struct inner to6(struct ip6 destination)
{
	return (struct inner){.version = 6, .destination6 = destination};
}

static inline uint32_t peer_of(const struct fwd_table *table, struct inner inner)
{
	return fwd_peer_of_destination(table, &inner);
}

#endif
