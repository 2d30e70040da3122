/* UDP to TUN, of one queue. One thread at a time has the object; carrier.h says which. */
#ifndef TWILL_DECAP_H
#define TWILL_DECAP_H

#include <stddef.h>

#include "engine/shared.h"

struct decap;

/*
 * What it takes to carry packets from the socket of queue `queue` to `tun_fd`; `thread` is its
 * index in fwd_slot and in the peers' counters. All memory is taken here. Returns 0 or -ENOMEM.
 */
int decap_create(struct shared *shared, int tun_fd, size_t queue, size_t thread,
		 struct decap **decap);
void decap_free(struct decap *decap);

/* Its counters: any thread may read them at any time. */
const struct counters *decap_counters(const struct decap *decap);

/*
 * As many messages as fit one round; never waits for one. Returns their number, 0 to
 * DECAP_ROUND_MESSAGES; with fewer there was nothing more to receive.
 */
#define DECAP_ROUND_MESSAGES 8
size_t decap_round(struct decap *decap);

/*
 * Carry what one message of the socket brought from `underlay` (host order): datagrams of
 * `segment_bytes` each, the last maybe shorter; 0 for a single one. For decap_round() and fuzzing.
 * What is to be written waits until decap_end(); the memory must stay as long.
 */
void decap_begin(struct decap *decap);
void decap_message(struct decap *decap, uint32_t underlay, uint8_t *datagrams, size_t bytes,
		   size_t segment_bytes);
void decap_end(struct decap *decap);

#endif
