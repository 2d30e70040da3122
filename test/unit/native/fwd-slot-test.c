/* Facts about native/engine/fwd_slot.c. */
#include "engine/fwd_slot.h"

#include "c-test.h"
#include "fwd-entries.h"

#include <pthread.h>
#include <stdatomic.h>

#define READERS 4
#define PEERS 8
#define TABLES 20000
#define CONSTANT_UNDERLAY 0xc0000201 /* 192.0.2.1 */

/*
 * A table of one generation: all of its peers but one say so in their underlay address. That one
 * is in every table, so the references to its state are the number of tables that live.
 */
static struct fwd_table *table_of(uint32_t generation, const struct fwd_table *previous)
{
	struct fwd_entry entries[PEERS + 1];

	for (uint32_t i = 0; i < PEERS; i++)
		entries[i] = entry(i * 256, i * 256 + 255, generation * PEERS + i);
	entries[PEERS] = entry(0x0af40100, 0x0af401ff, CONSTANT_UNDERLAY);
	return create(entries, PEERS + 1, previous);
}

static void replace(struct fwd_slot *slot, uint32_t generation)
{
	fwd_slot_replace(slot, table_of(generation, fwd_slot_newest(slot)));
}

static struct fwd_slot *create_slot(size_t threads)
{
	struct fwd_slot *slot = NULL;

	EXPECT(fwd_slot_create(threads, &slot), 0);
	return slot;
}

static struct fwd_peer_state *constant_state(const struct fwd_table *table)
{
	return fwd_table_peer(table, fwd_peer_of_underlay(table, CONSTANT_UNDERLAY))->state;
}

static uint32_t live_tables(const struct fwd_slot *slot)
{
	return constant_state(fwd_slot_newest(slot))->references;
}

/* Reads all of a table; it must be of one generation, which is returned. */
static uint32_t check_generation(const struct fwd_table *table)
{
	uint32_t generation = fwd_table_peer(table, 0)->underlay / PEERS;

	EXPECT(fwd_table_count(table), PEERS + 1);
	for (uint32_t i = 0; i < PEERS; i++) {
		EXPECT(fwd_peer_of_underlay(table, generation * PEERS + i), i);
		EXPECT(peer_of(table, to(i * 256 + 7)), i);
	}
	return generation;
}

static void new_slot_has_an_empty_table(void)
{
	struct fwd_slot *slot = create_slot(1);
	const struct fwd_table *table = fwd_slot_borrow(slot, 0);

	EXPECT(fwd_table_count(table), 0);
	EXPECT(table == fwd_slot_newest(slot), true);
	fwd_slot_give_back(slot, 0);
	fwd_slot_free(slot);
	fwd_slot_free(NULL);
}

static void borrow_gives_the_newest_table(void)
{
	struct fwd_slot *slot = create_slot(1);

	for (uint32_t generation = 1; generation < 4; generation++) {
		replace(slot, generation);
		EXPECT(check_generation(fwd_slot_borrow(slot, 0)), generation);
		EXPECT(check_generation(fwd_slot_newest(slot)), generation);
		fwd_slot_give_back(slot, 0);
	}
	fwd_slot_free(slot);
}

static void borrowed_table_lives_until_it_is_given_back(void)
{
	struct fwd_slot *slot = create_slot(2);
	const struct fwd_table *held[2];

	replace(slot, 1);
	held[0] = fwd_slot_borrow(slot, 0);
	replace(slot, 2);
	held[1] = fwd_slot_borrow(slot, 1);
	for (uint32_t generation = 3; generation < 100; generation++) {
		replace(slot, generation);
		EXPECT(live_tables(slot), 3); /* the newest and one for each thread */
	}
	EXPECT(check_generation(held[0]), 1);
	EXPECT(check_generation(held[1]), 2);
	fwd_slot_give_back(slot, 0);
	replace(slot, 100);
	EXPECT(live_tables(slot), 2);
	EXPECT(check_generation(held[1]), 2);
	fwd_slot_give_back(slot, 1);
	replace(slot, 101);
	EXPECT(live_tables(slot), 1);
	fwd_slot_free(slot);
}

static void free_leaves_no_retired_table(void)
{
	struct fwd_slot *slot = create_slot(1);

	replace(slot, 1);
	fwd_slot_borrow(slot, 0);
	replace(slot, 2);
	fwd_slot_give_back(slot, 0);
	EXPECT(live_tables(slot), 2);
	fwd_slot_free(slot); /* the leak check at exit sees what is left */
}

/* Generation whose replacement is over. */
static _Atomic uint32_t published;
static _Atomic bool is_over;

struct reader {
	struct fwd_slot *slot;
	size_t thread;
	_Atomic uint64_t rounds;
	pthread_t id;
};

static void *borrow_check_give_back(void *data)
{
	struct reader *reader = data;

	while (!atomic_load(&is_over)) {
		uint32_t oldest = atomic_load(&published);
		const struct fwd_table *table = fwd_slot_borrow(reader->slot, reader->thread);

		EXPECT(fwd_table_peer(table, 0)->underlay / PEERS >= oldest, true);
		if (atomic_fetch_add(&reader->rounds, 1) % 16 == 0) { /* else mostly in borrow */
			check_generation(table);
			atomic_fetch_add(&constant_state(table)->threads[0].encap_packets, 1);
		}
		fwd_slot_give_back(reader->slot, reader->thread);
	}
	return NULL;
}

static void start(struct reader *readers, struct fwd_slot *slot)
{
	replace(slot, 1);
	atomic_store(&published, 1);
	for (size_t i = 0; i < READERS; i++) {
		readers[i] = (struct reader){slot, i, 0, 0};
		EXPECT(pthread_create(&readers[i].id, NULL, borrow_check_give_back, &readers[i]),
		       0);
	}
}

static bool is_enough(struct reader *readers, uint32_t generation)
{
	for (size_t i = 0; i < READERS; i++) {
		if (atomic_load(&readers[i].rounds) < TABLES)
			return false;
	}
	return generation >= TABLES;
}

/* Rare orders are in fwd-slot-schedule-test.c; here the caches of real CPUs take part. */
static void readers_never_see_a_freed_or_replaced_table(void)
{
	struct fwd_slot *slot = create_slot(READERS);
	struct reader readers[READERS];
	uint64_t seen = 0;

	start(readers, slot);
	for (uint32_t i = 2; !is_enough(readers, i); i++) {
		replace(slot, i);
		atomic_store(&published, i);
		EXPECT(live_tables(slot) <= 1 + READERS, true);
	}
	atomic_store(&is_over, true);
	for (size_t i = 0; i < READERS; i++) {
		EXPECT(pthread_join(readers[i].id, NULL), 0);
		seen += (readers[i].rounds + 15) / 16;
	}
	EXPECT(constant_state(fwd_slot_newest(slot))->threads[0].encap_packets, seen);
	fwd_slot_free(slot);
}

static const struct test_case cases[] = {
    CASE(new_slot_has_an_empty_table),
    CASE(borrow_gives_the_newest_table),
    CASE(borrowed_table_lives_until_it_is_given_back),
    CASE(free_leaves_no_retired_table),
    CASE(readers_never_see_a_freed_or_replaced_table),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
