/* The Internet checksum (RFC 1071), on words in memory order: independent of the machine's. Pure.
 */
#ifndef TWILL_CHECKSUM_H
#define TWILL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Add `bytes` bytes to a sum, which starts at 0. An odd last byte counts as padded with zero, so
 * only the last piece of several may be odd. Any alignment. The sum never overflows: every call
 * folds what it adds to 32 bits.
 */
uint64_t checksum_add(uint64_t sum, const void *at, size_t bytes);

/* Add one 16-bit or 32-bit number, given in host order. */
uint64_t checksum_add_be16(uint64_t sum, uint16_t value);
uint64_t checksum_add_be32(uint64_t sum, uint32_t value);

/* Fold a sum to 16 bits, in memory order: store it with memcpy(). A block with its right checksum
 * inside gives 0xffff. */
uint16_t checksum_fold(uint64_t sum);

/*
 * Add the pseudo-header of the packet (IPv4: RFC 9293 section 3.1; IPv6: RFC 8200 section 8.1)
 * for `protocol` and an upper-layer length of `bytes`.
 */
uint64_t checksum_add_pseudo(uint64_t sum, const uint8_t *ip_packet, uint8_t protocol,
			     uint32_t bytes);

#endif
