/* TUN to UDP, of one queue. One thread at a time has the object; carrier.h says which. */
#ifndef TWILL_ENCAP_H
#define TWILL_ENCAP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/shared.h"

struct encap;

/*
 * What it takes to carry packets from `tun_fd` to the socket of queue `queue`; `thread` is its
 * index in fwd_slot and in the peers' counters. All memory is taken here. Returns 0 or -ENOMEM.
 */
int encap_create(struct shared *shared, int tun_fd, size_t queue, size_t thread,
		 struct encap **encap);
void encap_free(struct encap *encap);

/* Its counters: any thread may read them at any time. */
const struct counters *encap_counters(const struct encap *encap);

/* What a round found. */
enum round {
	ROUND_DONE, /* there was nothing more to read */
	ROUND_MORE, /* as much as fits one round, and maybe there is more */
	ROUND_LOST, /* nothing can be read from there any more */
};

/* As many packets as fit one round, or the first one that is there alone. Never waits for one. */
enum round encap_round(struct encap *encap, bool first_only);

/*
 * Carry one packet as it was read from the TUN, `bytes` of it with the virtio-net header where
 * there is one; for encap_round() and fuzzing. What is to be sent waits in the batch until
 * encap_end().
 */
void encap_begin(struct encap *encap);
void encap_packet(struct encap *encap, uint8_t *read, size_t bytes);
void encap_end(struct encap *encap);

#endif
