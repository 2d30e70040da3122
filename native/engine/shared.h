/* What the threads of one engine share. Written before they start; after that only what is atomic
 * changes. */
#ifndef TWILL_SHARED_H
#define TWILL_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/events.h"
#include "engine/fwd_slot.h"
#include "engine/sockets.h"
#include "packet/check.h"
#include "packet/framing.h"
#include "packet/icmp_error.h"

/*
 * The limit of ICMP errors to one kind of sender. Whoever finds it in use holds its error back:
 * packet threads wait for nothing.
 */
struct shared_icmp_limit {
	atomic_flag is_used;
	struct icmp_limit limit;
};

struct shared {
	struct framing framing;
	struct packet_rules rules;
	struct icmp_sender icmp_sender;
	bool has_vnet_header; /* of every read and write of the TUN */
	bool sends_batches;   /* several datagrams in one message (UDP_SEGMENT) */
	unsigned merges;      /* MERGE_TCP, MERGE_UDP: what the TUN takes in one write */
	struct sockets sockets;
	struct fwd_slot *tables;
	struct events events;
	int stop_fd; /* readable when the engine stops */
	atomic_bool is_stopping;
	atomic_bool is_run_refusal_told;
	_Atomic uint64_t runs_off_until_ms;   /* see offload.h */
	struct shared_icmp_limit own_errors;  /* to senders on this host */
	struct shared_icmp_limit peer_errors; /* two, so that peers cannot use up the first */
};

/* Whether an error about this packet may be sent now; counts those held back. */
bool shared_may_answer(struct shared_icmp_limit *limit, const uint8_t *packet,
		       const struct inner *inner, struct counters *counters);

/*
 * Wait until `fd` has one of `events` (poll(2)) or `timeout_ms` are over, -1 for ever. False when
 * the engine stops.
 */
bool shared_wait(const struct shared *shared, int fd, short events, int timeout_ms);

#endif
