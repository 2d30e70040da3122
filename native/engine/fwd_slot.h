/*
 * Where an engine's forwarding table is published. Packet threads borrow it for a batch without
 * waiting; the control thread replaces it without waiting either, and frees the old one when no
 * thread can hold it (hazard pointers, Michael 2004).
 */
#ifndef TWILL_FWD_SLOT_H
#define TWILL_FWD_SLOT_H

#include <stddef.h>

#include "engine/fwd_table.h"

struct fwd_slot;

/* A slot for `threads` packet threads, with an empty table. Returns 0 or -ENOMEM. */
int fwd_slot_create(size_t threads, struct fwd_slot **slot);

/* Free it with every table. No thread may hold a table. NULL is no error. */
void fwd_slot_free(struct fwd_slot *slot);

/*
 * Packet thread `thread` (0 to threads - 1) borrows the newest table until it gives it back. One
 * that was replaced before this call began is never returned. Between the two it stays valid.
 */
const struct fwd_table *fwd_slot_borrow(struct fwd_slot *slot, size_t thread);
void fwd_slot_give_back(struct fwd_slot *slot, size_t thread);

/*
 * Control thread: publish `table`, which the slot owns from here on, and free the tables that
 * nobody holds any more. Never waits; at most one old table for each thread is kept.
 */
void fwd_slot_replace(struct fwd_slot *slot, struct fwd_table *table);

/* Control thread: the newest table. */
const struct fwd_table *fwd_slot_newest(const struct fwd_slot *slot);

#endif
