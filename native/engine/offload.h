/*
 * What the kernel does for us in batches: asked once at the start, given up for a while when it
 * refuses. Shared by all threads of an engine without a lock.
 */
#ifndef TWILL_OFFLOAD_H
#define TWILL_OFFLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* After a refusal: a route or device may change back, and one failed call each 10 s costs nothing.
 */
#define OFFLOAD_RETRY_MS 10000

/*
 * Send three datagrams in one call on loopback and receive them in one: whether UDP_SEGMENT
 * (kernel 4.18) and UDP_GRO (5.0) work here. Returns 0; -ENOPROTOOPT or another negative errno when
 * they do not; -ENETUNREACH when there is no loopback to try it on, which says nothing.
 */
int offload_try_batches(void);

/* Milliseconds of CLOCK_MONOTONIC_COARSE: some 4 ms old, and nearly free. */
uint64_t offload_now_ms(void);

/* A way that is off until a time. Any thread may switch it off, every one reads it. */
static inline bool offload_is_off(_Atomic uint64_t *until_ms, uint64_t now_ms)
{
	return now_ms < atomic_load_explicit(until_ms, memory_order_relaxed);
}

/* True when it was on until now: then somebody should say so. */
static inline bool offload_switch_off(_Atomic uint64_t *until_ms, uint64_t now_ms)
{
	return atomic_exchange_explicit(until_ms, now_ms + OFFLOAD_RETRY_MS,
					memory_order_relaxed) <= now_ms;
}

/*
 * A refusal that was told is told again only after it has worked in between: a way that stays
 * narrow is one line of log, not one every 10 s. A load while all is well.
 */
static inline void offload_works_again(atomic_bool *is_refusal_told)
{
	if (atomic_load_explicit(is_refusal_told, memory_order_relaxed))
		atomic_store_explicit(is_refusal_told, false, memory_order_relaxed);
}

#endif
