/*
 * native/engine/fwd_slot.c under a scheduler of our own: only one thread runs at a time, and
 * before each of its atomic accesses a random one is next. Orders that a machine shows once in a
 * month come up all the time, and the same ones in every run.
 */
#include "c-test.h"
#include "fwd-entries.h"
#include "random.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static void take_turns(void);

#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#define atomic_load(at) (take_turns(), atomic_load_explicit(at, memory_order_seq_cst))
#define atomic_store(at, value) \
	(take_turns(), atomic_store_explicit(at, value, memory_order_seq_cst))
#define atomic_exchange(at, value) \
	(take_turns(), atomic_exchange_explicit(at, value, memory_order_seq_cst))

#include "engine/fwd_slot.c"

#define MAX_READERS 3
#define CONTROL MAX_READERS /* number of the control thread */
#define TABLES 4000
#define UNDERLAY 0xc0000201 /* 192.0.2.1 */

static struct {
	uint64_t random;
	sem_t may_run[MAX_READERS + 1];
	bool is_alive[MAX_READERS + 1];
	struct fwd_slot *slot;
	uint32_t published; /* generation whose replacement is over */
} world;

static _Thread_local int self = -1; /* -1: nobody else runs yet, or any more */

static int pick_next(void)
{
	int next;

	do
		next = (int)below(&world.random, MAX_READERS + 1);
	while (!world.is_alive[next]);
	return next;
}

static void take_turns(void)
{
	int next = self < 0 ? self : pick_next();

	if (next == self)
		return;
	sem_post(&world.may_run[next]);
	sem_wait(&world.may_run[self]);
}

static void leave(void)
{
	world.is_alive[self] = false;
	for (int i = 0; i <= MAX_READERS; i++) {
		if (world.is_alive[i]) {
			sem_post(&world.may_run[pick_next()]);
			return;
		}
	}
}

/* A generation is the first address of its only subnet; every table has the same underlay. */
static struct fwd_table *table_of(uint32_t generation, const struct fwd_table *previous)
{
	struct fwd_entry only[] = {entry(generation, generation, UNDERLAY),
				   entry(UINT32_MAX, UINT32_MAX, UNDERLAY + 1)};

	return create(only, 2, previous);
}

static void *read_tables(void *number)
{
	self = (int)(intptr_t)number;
	sem_wait(&world.may_run[self]);
	while (world.is_alive[CONTROL]) {
		uint32_t oldest = world.published;
		const struct fwd_table *table = fwd_slot_borrow(world.slot, (size_t)self);
		uint32_t generation = fwd_table_peer(table, 0)->first;

		EXPECT(generation >= oldest, true);
		take_turns();
		EXPECT(fwd_table_peer(table, 0)->first, generation);
		fwd_slot_give_back(world.slot, (size_t)self);
		take_turns();
	}
	leave();
	return NULL;
}

static void *replace_tables(void *readers)
{
	self = CONTROL;
	for (uint32_t i = 2; i < TABLES; i++) {
		const struct fwd_table *newest = world.slot->newest;

		fwd_slot_replace(world.slot, table_of(i, newest));
		world.published = i;
		newest = world.slot->newest; /* of the second peer every table has the state */
		EXPECT(fwd_table_peer(newest, 1)->state->references <= 1 + (uintptr_t)readers,
		       true);
	}
	leave();
	return NULL;
}

static void run_world(size_t readers, uint64_t seed)
{
	pthread_t ids[MAX_READERS], control;

	world.random = seed;
	EXPECT(fwd_slot_create(readers, &world.slot), 0);
	fwd_slot_replace(world.slot, table_of(1, NULL));
	world.published = 1;
	world.is_alive[CONTROL] = true;
	for (size_t i = 0; i <= MAX_READERS; i++)
		EXPECT(sem_init(&world.may_run[i], 0, 0), 0);
	for (size_t i = 0; i < readers; i++) {
		world.is_alive[i] = true;
		EXPECT(pthread_create(&ids[i], NULL, read_tables, (void *)i), 0);
	}
	EXPECT(pthread_create(&control, NULL, replace_tables, (void *)readers), 0);
	EXPECT(pthread_join(control, NULL), 0);
	for (size_t i = 0; i < readers; i++)
		EXPECT(pthread_join(ids[i], NULL), 0);
	fwd_slot_free(world.slot);
}

static void no_order_of_accesses_breaks_one_reader(void)
{
	run_world(1, 20240303);
}

static void no_order_of_accesses_breaks_two_readers(void)
{
	run_world(2, 20240304);
}

static void no_order_of_accesses_breaks_three_readers(void)
{
	run_world(3, 20240305);
}

static const struct test_case cases[] = {
    CASE(no_order_of_accesses_breaks_one_reader),
    CASE(no_order_of_accesses_breaks_two_readers),
    CASE(no_order_of_accesses_breaks_three_readers),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
