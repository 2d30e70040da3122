/*
 * The two threads of one queue. At little load the first carries both directions: an answer that
 * the kernel gives while we write to the TUN is then read at once, by a thread that is awake. When
 * it falls behind, it hands the way from UDP to TUN to the second, which gives it back when there
 * is little to do again. A direction has one owner at any time, so within one queue no packet
 * overtakes another. Between queues the kernel chooses: it moves a flow to the queue that its
 * answers were written to (drivers/net/tun.c, tun_flow_update()), and what waits in the old one may
 * come later.
 */
#ifndef TWILL_CARRIER_H
#define TWILL_CARRIER_H

#include <stddef.h>

#include "engine/shared.h"

struct carrier;

/* For the TUN and the socket of queue `queue`; all memory is taken here. Returns 0 or a negative
 * errno. */
int carrier_create(struct shared *shared, int tun_fd, size_t queue, struct carrier **carrier);

/* Start the threads. Returns 0 or a negative errno; those that were started still have to be
 * joined. */
int carrier_start(struct carrier *carrier, size_t queue);

/* Wait for the threads, which end when the engine stops. NULL and twice are no error. */
void carrier_join(struct carrier *carrier);

/* After joining: close what it opened; the counters stay. Twice is no error. */
void carrier_close(struct carrier *carrier);

/* Close and free. NULL is no error. */
void carrier_free(struct carrier *carrier);

/* The counters of each direction: any thread may read them at any time. */
const struct counters *carrier_encap_counters(const struct carrier *carrier);
const struct counters *carrier_decap_counters(const struct carrier *carrier);

#endif
