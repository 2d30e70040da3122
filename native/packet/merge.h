/*
 * The reverse of cut.h, as a network card's receive offload: packets of one TCP or UDP flow that
 * follow each other become one for the TUN. Whoever cuts the result again gets back the very
 * same packets, bit for bit; nothing is reordered within a flow. Pure; payload is never copied.
 */
#ifndef TWILL_MERGE_H
#define TWILL_MERGE_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "packet/cut.h"
#include "packet/inner.h"

#define MERGE_MAX_RUNS 64    /* written to the TUN one after the other */
#define MERGE_MAX_PACKETS 64 /* of one run: what one UDP GSO message of older kernels carries */

/* Which packets may be merged: kernels before 6.2 take no UDP runs. */
#define MERGE_TCP 1u
#define MERGE_UDP 2u

/* One packet, or several that became one. */
struct merge_run {
	uint32_t peer;	     /* whom all of its packets came from */
	uint32_t packets;    /* 1 or more */
	size_t bytes;	     /* of all its packets */
	size_t header_bytes; /* IP and TCP or UDP; 0 of a packet that cannot be merged */
	size_t iov_count;
	/* merge.c's own state; without meaning when header_bytes is 0 */
	size_t ip_header_bytes;
	size_t segment_bytes; /* payload of every packet but the last */
	uint32_t next_sequence;
	uint16_t next_id;
	bool is_verified; /* its first packet's checksum is known to be right */
	/* What to write: iov[0] is the virtio-net header (leave it out on a TUN without), then the
	 * packet. */
	struct iovec iov[2 + MERGE_MAX_PACKETS];
	struct virtio_net_hdr vnet;
	uint8_t header[CUT_MAX_HEADER_BYTES]; /* a copy: the packets themselves stay as they were */
	/* The packets as they came, to be written one by one when the kernel refuses the run. */
	struct iovec originals[MERGE_MAX_PACKETS];
};

/* Its runs point into it: it stays where it is. */
struct merge {
	unsigned allowed; /* MERGE_TCP, MERGE_UDP */
	size_t count;
	uint64_t open;			       /* bit per run: takes another packet of its flow */
	uint8_t newest[2 * MERGE_MAX_RUNS];    /* run by hash of its flow, plus 1 */
	uint32_t pair_hash[MERGE_MAX_RUNS];    /* of its two addresses */
	struct merge_run runs[MERGE_MAX_RUNS]; /* in the order of their first packets */
};

/* Starts anew, without runs. */
void merge_reset(struct merge *merge, unsigned allowed);

/*
 * Adds a packet that inner_parse() described (its hop is taken; `packet` holds inner->total_bytes)
 * and that stays where it is until the runs are written. False when there is no room: write the
 * runs, reset, add again.
 *
 * Merged are TCP segments without SYN, FIN, RST, URG, CWR or a reserved bit, and UDP datagrams
 * with a checksum, when: same peer, addresses, ports, TOS or traffic class and flow label, TTL,
 * DF, IP options; for TCP the same ack, window, flags but PSH, and options; sequence numbers and
 * IPv4 identifications follow each other; all of one length but the last, which may be shorter;
 * the TCP or UDP checksum is right (verified here, over the payload, once there are two); the sum
 * is at most 65,535 bytes. PSH ends a run. A packet that cannot be merged closes the run of its
 * flow, or, where its ports are not to be seen, all runs from its source to its destination.
 */
bool merge_add(struct merge *merge, uint8_t *packet, const struct inner *inner, uint32_t peer);

/* Completes every run for writing: lengths, IPv4 checksum, partial TCP or UDP checksum, vnet. */
void merge_finish(struct merge *merge);

#endif
