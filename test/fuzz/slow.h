/*
 * The slow twins: what the RFCs say, a byte at a time, sharing no line with native/. Lengths have
 * been checked by the caller unless it says otherwise.
 */
#ifndef TWILL_FUZZ_SLOW_H
#define TWILL_FUZZ_SLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fuzz.h"

static inline unsigned slow_u16(const uint8_t *at)
{
	return at[0] * 256u + at[1];
}

static inline void slow_put_u16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value / 256);
	at[1] = (uint8_t)value;
}

/* Sum of 16-bit words (RFC 1071), an odd last byte padded with zero. */
NOT_TRACED static inline uint64_t slow_sum(uint64_t sum, const uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += slow_u16(at + i);
	return bytes % 2 == 0 ? sum : sum + at[bytes - 1] * 256u;
}

/* One's complement of the folded sum: what a checksum field holds. */
static inline unsigned slow_checksum(uint64_t sum)
{
	unsigned folded = (unsigned)(sum % 0xffff);

	return folded == 0 && sum > 0 ? 0 : 0xffff - folded;
}

static inline size_t slow_ipv4_header_bytes(const uint8_t *packet)
{
	return (packet[0] % 16) * (size_t)4;
}

static inline bool slow_ipv4_is_right(const uint8_t *packet)
{
	return slow_checksum(slow_sum(0, packet, slow_ipv4_header_bytes(packet))) == 0;
}

static inline void slow_mend_ipv4(uint8_t *packet)
{
	slow_put_u16(packet + 10, 0);
	slow_put_u16(packet + 10,
		     slow_checksum(slow_sum(0, packet, slow_ipv4_header_bytes(packet))));
}

/* Makes the IPv4 checksum right where the packet is long enough to have one. */
static inline void slow_mend_if_ipv4(uint8_t *packet, size_t bytes)
{
	if (bytes >= 20 && packet[0] / 16 == 4 && slow_ipv4_header_bytes(packet) >= 20 &&
	    slow_ipv4_header_bytes(packet) <= bytes)
		slow_mend_ipv4(packet);
}

/* Pseudo-header, for `bytes` bytes of `protocol` above the IP header. */
static inline uint64_t slow_pseudo_sum(const uint8_t *packet, unsigned protocol, size_t bytes)
{
	uint64_t sum = protocol + bytes / 65536 + bytes % 65536;

	return packet[0] / 16 == 4 ? slow_sum(sum, packet + 12, 8) : slow_sum(sum, packet + 8, 32);
}

/* Whether what begins at `at`, up to the packet's end, has its right checksum. */
static inline bool slow_upper_is_right(const uint8_t *packet, size_t bytes, size_t at,
				       unsigned protocol)
{
	return slow_checksum(slow_sum(slow_pseudo_sum(packet, protocol, bytes - at), packet + at,
				      bytes - at)) == 0;
}

/* Writes the checksum `field` bytes behind `at`; 0xffff for a 0 of UDP. */
static inline void slow_mend_upper(uint8_t *packet, size_t bytes, size_t at, unsigned protocol,
				   size_t field)
{
	unsigned checksum;

	slow_put_u16(packet + at + field, 0);
	checksum = slow_checksum(
	    slow_sum(slow_pseudo_sum(packet, protocol, bytes - at), packet + at, bytes - at));
	slow_put_u16(packet + at + field, checksum == 0 && protocol == 17 ? 0xffff : checksum);
}

/* An address range written as prefix; IPv4 addresses are the first 4 bytes. */
struct slow_prefix {
	uint8_t bytes[16];
	unsigned bits;
};

NOT_TRACED static inline bool slow_is_in(const uint8_t *address, const struct slow_prefix *prefix)
{
	unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;

	if (memcmp(address, prefix->bytes, whole) != 0)
		return false;
	return rest == 0 || address[whole] >> (8 - rest) == prefix->bytes[whole] >> (8 - rest);
}

/* What the extension headers of an IPv6 packet lead to (RFC 8200 section 4). */
struct slow_chain {
	bool is_whole, is_fragment, is_later_fragment;
	unsigned protocol;
	size_t at;
};

static inline struct slow_chain slow_follow(const uint8_t *packet, size_t bytes)
{
	struct slow_chain chain = {.protocol = packet[6], .at = 40};

	for (int seen = 0;; seen++) {
		const uint8_t *header = packet + chain.at;
		bool is_fragment = chain.protocol == 44;
		size_t length = 8;

		if (!is_fragment && chain.protocol != 0 && chain.protocol != 43 &&
		    chain.protocol != 60) {
			chain.is_whole = true;
			return chain;
		}
		if (seen == 8 || chain.at + 8 > bytes)
			return chain;
		if (!is_fragment)
			length += header[1] * (size_t)8;
		if (is_fragment && slow_u16(header + 2) / 8 > 0)
			chain.is_later_fragment = true;
		if (chain.is_later_fragment || (is_fragment && header[3] % 2 == 1))
			chain.is_fragment = true;
		if (chain.is_later_fragment || chain.at + length > bytes)
			return chain;
		chain.protocol = header[0];
		chain.at += length;
	}
}

#endif
