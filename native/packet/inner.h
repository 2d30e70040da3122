/*
 * An inner IP packet, looked at in place: is it whole, and between two hosts. Pure.
 *
 * IPv4 is RFC 791 section 3.1, IPv6 RFC 8200 section 3. Addresses are in host order.
 */
#ifndef TWILL_INNER_H
#define TWILL_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INNER_MIN_HEADER_BYTES 20 /* IPv4 without options */
#define INNER_IPV6_HEADER_BYTES 40
#define INNER_MAX_BYTES 65575 /* the longest IPv6 packet that is no jumbogram: 40 + 65,535 */

/* An IPv6 address as two numbers. */
struct ip6 {
	uint64_t high, low;
};

/*
 * False in a build that measures what the checks cost (scripts/build-native --without-checks): then
 * lengths and versions alone are looked at. Never for use.
 */
#ifdef TWILL_WITHOUT_CHECKS
#define INNER_CHECKS false
#else
#define INNER_CHECKS true
#endif

/* What is wrong with a packet, in the order in which it is looked for. */
enum inner_fault {
	INNER_FAULT_NONE,
	INNER_FAULT_SHORT,
	INNER_FAULT_VERSION,
	INNER_FAULT_HEADER_LENGTH,
	INNER_FAULT_TOTAL_LENGTH,
	INNER_FAULT_CHECKSUM,
	INNER_FAULT_MARTIAN,
};

/* What the header says. Written whole by inner_parse() when it finds no fault. */
struct inner {
	uint8_t version;	/* 4 or 6 */
	uint8_t protocol;	/* of what follows the IP header: IPv4 protocol, IPv6 next header */
	uint8_t ip_ttl;		/* time to live, or hop limit */
	bool must_not_fragment; /* DF; always so for IPv6 */
	bool is_fragment;	/* any fragment, also the first */
	bool is_later_fragment; /* one that does not begin with the payload's own header */
	uint16_t header_bytes;	/* IPv4 with its options; IPv6 always 40, extensions are payload */
	uint32_t total_bytes;	/* header and payload, as the packet says; no more than was given */
	uint32_t source, destination;	  /* IPv4 */
	struct ip6 source6, destination6; /* IPv6 */
};

/*
 * Looks at the first `bytes` bytes of `packet` and reads nothing behind them. A packet shorter
 * than `bytes` is no fault: the rest is padding, and `total_bytes` leaves it out. With
 * INNER_FAULT_VERSION only `version` is written (what the first four bits say).
 *
 * IPv4 faults are those of src/datapath/check-header.ts. IPv6: SHORT below 40 bytes (version 6
 * is recognised from 20 bytes on, so a shorter one is SHORT as well), TOTAL_LENGTH when the
 * payload length is more than was given, or 0 (jumbogram, RFC 2675, or nothing to carry);
 * MARTIAN for ::, ::1, ::ffff:0:0/96, fe80::/10 and ff00::/8 at either end.
 */
enum inner_fault inner_parse(struct inner *inner, const uint8_t *packet, size_t bytes);

/* Where the extension headers of an IPv6 packet lead (RFC 8200 section 4). */
struct inner_chain {
	bool is_whole;	  /* the upper-layer protocol was found; else only the flags hold */
	uint8_t protocol; /* of the upper layer */
	size_t upper_at;  /* where its header begins; the packet may end there */
	bool is_fragment, is_later_fragment; /* see struct inner */
};

/*
 * Follows hop-by-hop, routing, destination options and fragment headers of an IPv6 packet of
 * `total_bytes`, 40 or more: at most 8 of them, and none behind the end. A later fragment's is not
 * followed, for what comes next is somewhere in its payload.
 */
struct inner_chain inner_follow_chain(const uint8_t *packet, size_t total_bytes);

/*
 * Take one hop from a parsed packet whose ip_ttl is 1 or more, and mend the IPv4 header
 * checksum by the difference (RFC 1624 section 3, equation 3).
 */
void inner_take_hop(uint8_t *packet);

/* Read a number in network order; no alignment needed. */
static inline uint16_t read_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t read_be32(const uint8_t *at)
{
	return (uint32_t)read_be16(at) << 16 | read_be16(at + 2);
}

static inline struct ip6 read_ip6(const uint8_t *at)
{
	return (struct ip6){(uint64_t)read_be32(at) << 32 | read_be32(at + 4),
			    (uint64_t)read_be32(at + 8) << 32 | read_be32(at + 12)};
}

/* Write a number in network order. */
static inline void write_be16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void write_be32(uint8_t *at, uint32_t value)
{
	write_be16(at, (uint16_t)(value >> 16));
	write_be16(at + 2, (uint16_t)value);
}

#endif
