/*
 * ICMP errors about packets that we drop (RFC 792, RFC 1812 section 4.3.2; RFC 4443), bit for bit
 * those of src/datapath/icmp-error.ts; and how many of them we send. Pure.
 */
#ifndef TWILL_ICMP_ERROR_H
#define TWILL_ICMP_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/inner.h"

#define ICMP_ERROR_MAX_BYTES \
	1280 /* of an IPv6 one (RFC 4443 section 2.4 c); an IPv4 one has at most 576 */

/* Why a packet is refused: the family's own type and code follow from it. */
enum icmp_reason {
	ICMP_NET_UNREACHABLE, /* 3/0; 1/0 */
	ICMP_TOO_BIG,	      /* 3/4 with the MTU (RFC 1191); 2/0 with the MTU */
	ICMP_TIME_EXCEEDED,   /* 11/0; 3/0 */
};

/* Source addresses of our errors. */
struct icmp_sender {
	uint32_t address;
	struct ip6 address6;
};

/*
 * Whether an error about this parsed packet is allowed: not about an ICMP error, an ICMP type we
 * do not know, or a fragment other than the first.
 */
bool icmp_may_answer(const uint8_t *packet, const struct inner *inner);

/* Writes the error about `packet` and returns its length, at most ICMP_ERROR_MAX_BYTES. `mtu` for
 * ICMP_TOO_BIG. */
size_t icmp_write(uint8_t out[ICMP_ERROR_MAX_BYTES], const uint8_t *packet,
		  const struct inner *inner, enum icmp_reason reason,
		  const struct icmp_sender *sender, size_t mtu);

#define ICMP_LIMIT_SLOTS 1024

/* The limits of src/datapath/icmp-rate-limit.ts: 10 at once and 10/s to one sender, 100 and 100/s
 * in all. */
struct icmp_limit {
	uint64_t sender_full_at_us[ICMP_LIMIT_SLOTS];
	uint64_t total_full_at_us;
};

/* Whether an error to the packet's source may be sent now (CLOCK_MONOTONIC, us); if so it is
 * counted. Zeroed memory is a fresh limit. */
bool icmp_limit_allow(struct icmp_limit *limit, const struct inner *inner, uint64_t now_us);

#endif
