/* A received packet that may become part of a run (merge.h), looked at by itself and beside the
 * run's first packet. Pure. */
#ifndef TWILL_CANDIDATE_H
#define TWILL_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/inner.h"

struct candidate {
	uint8_t *packet;
	const struct inner *inner; /* total_bytes of it */
	uint8_t *transport;	   /* what follows the IP header */
	size_t header_bytes;	   /* IP and TCP or UDP; 0 of a packet that cannot be merged */
	/* Of one that can be: */
	size_t payload_bytes; /* 1 or more */
	uint32_t sequence;    /* TCP; else 0 */
	uint16_t id;	      /* IPv4 identification; else 0 */
	bool has_psh;
};

/* Looks at a packet's headers by the rules of merge_add(); `allowed` as there. */
struct candidate candidate_read(unsigned allowed, uint8_t *packet, const struct inner *inner);

/* Whether the packet shows which TCP or UDP flow it belongs to. */
bool candidate_has_ports(const struct candidate *candidate);

/* Hash of the two addresses, and of addresses and ports (which it must have). */
uint32_t candidate_pair_hash(const struct candidate *candidate);
uint32_t candidate_flow_hash(const struct candidate *candidate);

/*
 * Whether all headers are those of `first`, a packet that can be merged too, but for lengths,
 * checksums, identification, sequence number and PSH.
 */
bool candidate_is_like(const struct candidate *candidate, const uint8_t *first);

/*
 * Whether `packet`, which is the candidate or one that it is like, has the TCP or UDP checksum
 * of its `bytes` bytes.
 */
bool candidate_is_intact(const struct candidate *candidate, const uint8_t *packet, size_t bytes);

#endif
