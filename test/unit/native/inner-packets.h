/*
 * Inner packets for tests, written as the RFCs draw them: no line is shared with native/packet/.
 * Each lies in memory of exactly its length, which the caller frees.
 */
#ifndef TWILL_INNER_PACKETS_H
#define TWILL_INNER_PACKETS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OWN_POD 0x0af40105u	      /* 10.244.1.5 */
#define PEER_POD 0x0af40207u	      /* 10.244.2.7 */
#define POD_NET6 0x20010db800010000u  /* 2001:db8:1::/64, where ::5 is */
#define PEER_NET6 0x20010db800020000u /* 2001:db8:2::/64, where ::7 is */

/* Where fields begin, in bits. */
#define IPV4_FRAGMENT 48
#define IPV4_TTL 64
#define IPV4_PROTOCOL 72
#define IPV4_CHECKSUM 80
#define IPV4_SOURCE 96
#define IPV4_DESTINATION 128
#define IPV6_PAYLOAD_LENGTH 32
#define IPV6_NEXT_HEADER 48
#define IPV6_HOP_LIMIT 56
#define IPV6_SOURCE 64
#define IPV6_DESTINATION 192

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* A field as the RFCs draw it: `count` bits from bit `at` on, bit 0 being the first one sent. */
static inline uint64_t field(const uint8_t *packet, size_t at, size_t count)
{
	uint64_t value = 0;

	for (size_t i = at; i < at + count; i++)
		value = value * 2 + (packet[i / 8] >> (7 - i % 8) & 1);
	return value;
}

static inline void set_field(uint8_t *packet, size_t at, size_t count, uint64_t value)
{
	for (size_t i = at + count; i > at; i--, value /= 2) {
		unsigned bit = 1u << (7 - (i - 1) % 8);
		uint8_t *byte = &packet[(i - 1) / 8];

		*byte = (uint8_t)((value & 1) ? *byte | bit : *byte & ~bit);
	}
}

/* One's complement sum of 16-bit numbers with the carry put back at once; an odd byte is padded. */
static inline uint32_t naive_sum(uint32_t sum, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i += 2) {
		sum += bytes[i] * 256u + (i + 1 < count ? bytes[i + 1] : 0);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

/* Writes the right IPv4 header checksum, for the header length that the packet says. */
static inline void seal_ipv4(uint8_t *packet)
{
	set_field(packet, IPV4_CHECKSUM, 16, 0);
	set_field(packet, IPV4_CHECKSUM, 16, 0xffff - naive_sum(0, packet, (packet[0] % 16u) * 4u));
}

static inline uint8_t *new_bytes(size_t count)
{
	uint8_t *bytes = malloc(count);

	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	return bytes;
}

static inline uint8_t *exact_copy(const uint8_t *bytes, size_t count)
{
	uint8_t *copy = malloc(count);

	if (count > 0)
		memcpy(copy, bytes, count);
	return copy;
}

/* A UDP packet of OWN_POD to PEER_POD; options are of type "no operation". */
static inline uint8_t *new_ipv4(size_t header_bytes, size_t total_bytes)
{
	uint8_t *packet = new_bytes(total_bytes);

	memset(packet, 0, 20);
	memset(packet + 20, 1, header_bytes - 20);
	set_field(packet, 0, 4, 4);
	set_field(packet, 4, 4, header_bytes / 4);
	set_field(packet, 16, 16, total_bytes);
	set_field(packet, 32, 16, 0x1234);
	set_field(packet, IPV4_TTL, 8, 64);
	set_field(packet, IPV4_PROTOCOL, 8, 17);
	set_field(packet, IPV4_SOURCE, 32, OWN_POD);
	set_field(packet, IPV4_DESTINATION, 32, PEER_POD);
	seal_ipv4(packet);
	return packet;
}

/* The same of IPv6, from 2001:db8:1::5 to 2001:db8:2::7. */
static inline uint8_t *new_ipv6(size_t total_bytes)
{
	uint8_t *packet = new_bytes(total_bytes);

	memset(packet, 0, 40);
	set_field(packet, 0, 4, 6);
	set_field(packet, IPV6_PAYLOAD_LENGTH, 16, total_bytes - 40);
	set_field(packet, IPV6_NEXT_HEADER, 8, 17);
	set_field(packet, IPV6_HOP_LIMIT, 8, 64);
	set_field(packet, IPV6_SOURCE, 64, POD_NET6);
	set_field(packet, IPV6_SOURCE + 64, 64, 5);
	set_field(packet, IPV6_DESTINATION, 64, PEER_NET6);
	set_field(packet, IPV6_DESTINATION + 64, 64, 7);
	return packet;
}

#endif
