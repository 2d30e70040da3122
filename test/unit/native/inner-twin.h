/* What native/packet/inner.c should find, written field by field from the RFCs: slow and plain. */
#ifndef TWILL_INNER_TWIN_H
#define TWILL_INNER_TWIN_H

#include "packet/inner.h"

#include "inner-packets.h"
#include "random.h"

struct twin {
	enum inner_fault fault;
	struct inner inner;
	struct inner_chain chain; /* of an IPv6 packet without fault */
};

static inline bool twin_is_martian(const uint8_t *packet, size_t at)
{
	return field(packet, at, 8) == 0 || field(packet, at, 8) == 127 ||
	       field(packet, at, 16) == 0xa9fe || field(packet, at, 3) == 7;
}

static inline bool twin_is_martian6(const uint8_t *packet, size_t at)
{
	bool is_unspecified = field(packet, at, 64) == 0 && field(packet, at + 64, 64) == 0;
	bool is_loopback = field(packet, at, 64) == 0 && field(packet, at + 64, 64) == 1;
	bool is_mapped = field(packet, at, 64) == 0 && field(packet, at + 64, 32) == 0xffff;
	bool is_link_local = field(packet, at, 10) == 1018;
	bool is_multicast = field(packet, at, 8) == 255;

	return is_unspecified || is_loopback || is_mapped || is_link_local || is_multicast;
}

static inline struct twin twin_fault(enum inner_fault fault)
{
	return (struct twin){.fault = fault};
}

/* RFC 791 section 3.1. */
static inline struct twin twin_of_ipv4(const uint8_t *packet, size_t bytes)
{
	size_t header_bytes = field(packet, 4, 4) * 4, total_bytes = field(packet, 16, 16);
	struct twin twin = {.fault = INNER_FAULT_NONE};

	if (header_bytes < 20 || header_bytes > bytes)
		return twin_fault(INNER_FAULT_HEADER_LENGTH);
	if (total_bytes < header_bytes || total_bytes > bytes)
		return twin_fault(INNER_FAULT_TOTAL_LENGTH);
	if (naive_sum(0, packet, header_bytes) != 0xffff)
		return twin_fault(INNER_FAULT_CHECKSUM);
	if (twin_is_martian(packet, IPV4_SOURCE) || twin_is_martian(packet, IPV4_DESTINATION))
		return twin_fault(INNER_FAULT_MARTIAN);
	twin.inner.version = 4;
	twin.inner.must_not_fragment = field(packet, 49, 1);
	twin.inner.is_later_fragment = field(packet, 51, 13) != 0;
	twin.inner.is_fragment = twin.inner.is_later_fragment || field(packet, 50, 1);
	twin.inner.ip_ttl = (uint8_t)field(packet, IPV4_TTL, 8);
	twin.inner.protocol = (uint8_t)field(packet, IPV4_PROTOCOL, 8);
	twin.inner.header_bytes = (uint16_t)header_bytes;
	twin.inner.total_bytes = (uint32_t)total_bytes;
	twin.inner.source = (uint32_t)field(packet, IPV4_SOURCE, 32);
	twin.inner.destination = (uint32_t)field(packet, IPV4_DESTINATION, 32);
	return twin;
}

/* RFC 8200 section 4: header `next` begins at byte `at`, and `left` more may be followed. */
static inline struct inner_chain twin_chain(const uint8_t *packet, size_t at, size_t total_bytes,
					    uint8_t next, int left)
{
	struct inner_chain rest = {.is_whole = false};
	size_t bytes = 8, offset = 0, more = 0;

	if (next != 0 && next != 43 && next != 44 && next != 60)
		return (struct inner_chain){.is_whole = true, .protocol = next, .upper_at = at};
	if (left == 0 || at + 8 > total_bytes)
		return rest;
	if (next == 44) {
		offset = field(packet + at, 16, 13);
		more = field(packet + at, 31, 1);
	} else {
		bytes = 8 + packet[at + 1] * 8u;
	}
	if (offset == 0 && at + bytes <= total_bytes)
		rest = twin_chain(packet, at + bytes, total_bytes, packet[at], left - 1);
	rest.is_fragment |= more != 0 || offset != 0;
	rest.is_later_fragment |= offset != 0;
	return rest;
}

/* RFC 8200 section 3. */
static inline struct twin twin_of_ipv6(const uint8_t *packet, size_t bytes)
{
	struct twin twin = {.fault = INNER_FAULT_NONE};
	size_t total_bytes;

	if (bytes < 40)
		return twin_fault(INNER_FAULT_SHORT);
	total_bytes = 40 + field(packet, IPV6_PAYLOAD_LENGTH, 16);
	if (total_bytes == 40 || total_bytes > bytes)
		return twin_fault(INNER_FAULT_TOTAL_LENGTH);
	if (twin_is_martian6(packet, IPV6_SOURCE) || twin_is_martian6(packet, IPV6_DESTINATION))
		return twin_fault(INNER_FAULT_MARTIAN);
	twin.inner.version = 6;
	twin.inner.must_not_fragment = true;
	twin.inner.protocol = (uint8_t)field(packet, IPV6_NEXT_HEADER, 8);
	twin.inner.ip_ttl = (uint8_t)field(packet, IPV6_HOP_LIMIT, 8);
	twin.inner.header_bytes = 40;
	twin.inner.total_bytes = (uint32_t)total_bytes;
	twin.inner.source6.high = field(packet, IPV6_SOURCE, 64);
	twin.inner.source6.low = field(packet, IPV6_SOURCE + 64, 64);
	twin.inner.destination6.high = field(packet, IPV6_DESTINATION, 64);
	twin.inner.destination6.low = field(packet, IPV6_DESTINATION + 64, 64);
	twin.chain = twin_chain(packet, 40, total_bytes, twin.inner.protocol, 8);
	twin.inner.is_fragment = twin.chain.is_fragment;
	twin.inner.is_later_fragment = twin.chain.is_later_fragment;
	return twin;
}

static inline struct twin twin_of(const uint8_t *packet, size_t bytes)
{
	if (bytes < 20)
		return twin_fault(INNER_FAULT_SHORT);
	if (field(packet, 0, 4) == 4)
		return twin_of_ipv4(packet, bytes);
	if (field(packet, 0, 4) == 6)
		return twin_of_ipv6(packet, bytes);
	return twin_fault(INNER_FAULT_VERSION);
}

/* Addresses on either side of every edge that the checks know, and anything. */
static inline uint32_t twin_random_address(uint64_t *random)
{
	static const uint32_t edges[] = {0,	     0x01000000, 0x0af40100, 0x0af40200,
					 0x0af40300, 0x7f000000, 0x80000000, 0xa9fe0000,
					 0xa9ff0000, 0xe0000000};
	uint32_t edge = edges[below(random, LENGTH(edges))];

	return below(random, 4) == 0 ? (uint32_t)next_random(random)
				     : edge - 2 + (uint32_t)below(random, 5);
}

static inline void twin_random_address6(uint8_t *packet, size_t at, uint64_t *random)
{
	static const uint64_t highs[] = {
	    0, 0xfe80000000000000, 0xfec0000000000000, 0xff00000000000000, POD_NET6, PEER_NET6};
	static const uint64_t lows[] = {0, 0xffff00000000, 0x1000000000000};

	set_field(packet, at, 64, highs[below(random, LENGTH(highs))] - below(random, 2));
	set_field(packet, at + 64, 64, lows[below(random, LENGTH(lows))] - 2 + below(random, 5));
}

/* Makes random bytes likely to get past one check after the other. */
static inline void twin_shape_ipv4(uint8_t *packet, size_t bytes, uint64_t *random)
{
	set_field(packet, 0, 4, 4);
	if (below(random, 8) > 0)
		set_field(packet, 4, 4, 4 + below(random, 4));
	if (below(random, 8) > 0)
		set_field(packet, 16, 16, bytes + 1 - below(random, 4));
	if (below(random, 2) > 0)
		set_field(packet, 48, 16, below(random, 2) << 14 | below(random, 2) << 13);
	set_field(packet, IPV4_SOURCE, 32, twin_random_address(random));
	set_field(packet, IPV4_DESTINATION, 32, twin_random_address(random));
	if (below(random, 8) > 0 && (packet[0] % 16u) * 4u <= bytes)
		seal_ipv4(packet);
}

static inline void twin_shape_ipv6(uint8_t *packet, size_t bytes, uint64_t *random)
{
	static const uint8_t next_headers[] = {0, 43, 44, 60, 0, 43, 44, 60, 6, 17, 51, 58, 59};

	set_field(packet, 0, 4, 6);
	if (bytes < 40)
		return;
	if (below(random, 8) > 0)
		set_field(packet, IPV6_PAYLOAD_LENGTH, 16, bytes - 40 + 1 - below(random, 4));
	set_field(packet, IPV6_NEXT_HEADER, 8, next_headers[below(random, LENGTH(next_headers))]);
	for (size_t at = 40; at + 8 <= bytes; at += 8) {
		packet[at] = next_headers[below(random, LENGTH(next_headers))];
		packet[at + 1] = (uint8_t)(below(random, 4) == 0);
		if (below(random, 4) > 0)
			set_field(packet + at, 16, 16, below(random, 2));
	}
	if (below(random, 4) > 0) {
		twin_random_address6(packet, IPV6_SOURCE, random);
		twin_random_address6(packet, IPV6_DESTINATION, random);
	}
}

/* A packet of random bytes in memory of exactly its length, most often one that looks like one. */
static inline uint8_t *twin_random_packet(size_t *bytes, uint64_t *random)
{
	uint8_t *packet;

	*bytes = below(random, 4) == 0 ? below(random, 42) : 20 + below(random, 120);
	packet = malloc(*bytes);
	for (size_t i = 0; i < *bytes; i++)
		packet[i] = (uint8_t)next_random(random);
	if (*bytes >= 20 && below(random, 8) > 0) {
		if (below(random, 2) == 0)
			twin_shape_ipv4(packet, *bytes, random);
		else
			twin_shape_ipv6(packet, *bytes, random);
	}
	return packet;
}

/* Parses a copy of exactly these bytes over a result that was full of something else. */
static inline enum inner_fault parse(struct inner *inner, const uint8_t *packet, size_t bytes)
{
	uint8_t *copy = exact_copy(packet, bytes);
	enum inner_fault fault;

	memset(inner, 0xa5, sizeof(*inner));
	fault = inner_parse(inner, copy, bytes);
	free(copy);
	return fault;
}

#endif
