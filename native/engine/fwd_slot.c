#include "engine/fwd_slot.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The hazard pointer of one packet thread, on a cache line of its own; NULL: it holds none. */
struct cell {
	_Alignas(64) _Atomic(const struct fwd_table *) held;
};

struct fwd_slot {
	_Atomic(struct fwd_table *) newest;
	/* The rest is the control thread's. */
	size_t threads, retired_count;
	struct fwd_table **retired;	 /* room for threads + 1 */
	const struct fwd_table **in_use; /* what the cells held at the newest look; threads */
	struct cell cells[];
};

static struct fwd_slot *new_slot(size_t threads)
{
	size_t bytes = sizeof(struct fwd_slot) + threads * sizeof(struct cell);
	struct fwd_slot *slot = aligned_alloc(_Alignof(struct fwd_slot), bytes);

	if (slot == NULL)
		return NULL;
	memset(slot, 0, bytes);
	slot->threads = threads;
	slot->retired = calloc(threads + 1, sizeof(struct fwd_table *));
	slot->in_use = calloc(threads + 1, sizeof(struct fwd_table *)); /* never of 0 bytes */
	if (slot->retired != NULL && slot->in_use != NULL)
		return slot;
	fwd_slot_free(slot);
	return NULL;
}

int fwd_slot_create(size_t threads, struct fwd_slot **slot)
{
	struct fwd_slot *s = new_slot(threads);
	struct fwd_table *empty;

	if (s == NULL)
		return -ENOMEM;
	if (fwd_table_create(NULL, 0, 0, threads, NULL, &empty) < 0) {
		fwd_slot_free(s);
		return -ENOMEM;
	}
	atomic_init(&s->newest, empty);
	*slot = s;
	return 0;
}

void fwd_slot_free(struct fwd_slot *slot)
{
	if (slot == NULL)
		return;
	for (size_t i = 0; i < slot->retired_count; i++)
		fwd_table_free(slot->retired[i]);
	fwd_table_free(atomic_load(&slot->newest));
	free(slot->in_use);
	free(slot->retired);
	free(slot);
}

/*
 * Sequentially consistent throughout: in the one order of all these accesses the second look at
 * `newest` comes after the cell was written. Either it comes before the exchange in
 * fwd_slot_replace(), and then the control thread's look at the cell finds the table; or it
 * comes after, sees another table, and this one is let go unread.
 */
const struct fwd_table *fwd_slot_borrow(struct fwd_slot *slot, size_t thread)
{
	const struct fwd_table *table;

	do {
		table = atomic_load(&slot->newest);
		atomic_store(&slot->cells[thread].held, table);
	} while (atomic_load(&slot->newest) != table);
	return table;
}

void fwd_slot_give_back(struct fwd_slot *slot, size_t thread)
{
	/* What was read from the table stays before this: the control thread may free it next. */
	atomic_store_explicit(&slot->cells[thread].held, NULL, memory_order_release);
}

static bool is_in_use(const struct fwd_slot *slot, const struct fwd_table *table)
{
	for (size_t i = 0; i < slot->threads; i++) {
		if (slot->in_use[i] == table)
			return true;
	}
	return false;
}

/*
 * Every cell is read once, before the first comparison: read anew for every retired table, the
 * cell of a thread that is amid borrowing could keep two of them, and `retired` would overflow.
 */
static void free_unused(struct fwd_slot *slot)
{
	size_t kept = 0;

	for (size_t i = 0; i < slot->threads; i++)
		slot->in_use[i] = atomic_load(&slot->cells[i].held);
	for (size_t i = 0; i < slot->retired_count; i++) {
		struct fwd_table *table = slot->retired[i];

		if (is_in_use(slot, table))
			slot->retired[kept++] = table;
		else
			fwd_table_free(table);
	}
	slot->retired_count = kept;
}

void fwd_slot_replace(struct fwd_slot *slot, struct fwd_table *table)
{
	slot->retired[slot->retired_count++] = atomic_exchange(&slot->newest, table);
	free_unused(slot);
}

const struct fwd_table *fwd_slot_newest(const struct fwd_slot *slot)
{
	return atomic_load(&slot->newest);
}
