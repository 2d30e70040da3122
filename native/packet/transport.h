/*
 * Where TCP (RFC 9293 section 3.1) and UDP (RFC 768) headers keep what cut.h and merge.h look at.
 * Pure.
 */
#ifndef TWILL_TRANSPORT_H
#define TWILL_TRANSPORT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/inner.h"

#define TCP_MIN_HEADER_BYTES 20
#define UDP_HEADER_BYTES 8

/* Offsets into the header; both begin with the ports, 4 bytes. */
#define TCP_AT_SEQUENCE 4
#define TCP_AT_ACK 8
#define TCP_AT_DATA_OFFSET 12 /* upper half: length in 32-bit words; lower half: reserved */
#define TCP_AT_FLAGS 13
#define TCP_AT_WINDOW 14
#define TCP_AT_CHECKSUM 16
#define TCP_AT_URGENT 18
#define UDP_AT_LENGTH 4
#define UDP_AT_CHECKSUM 6

/* Bits at TCP_AT_FLAGS. */
#define TCP_BIT_FIN 0x01
#define TCP_BIT_SYN 0x02
#define TCP_BIT_RST 0x04
#define TCP_BIT_PSH 0x08
#define TCP_BIT_URG 0x20
#define TCP_BIT_CWR 0x80 /* RFC 3168 section 6.1; ECE is 0x40 */

/*
 * Length of the TCP or UDP header at the start of the `bytes` bytes that an IP packet carries; 0
 * when it is not whole, it is another protocol, or UDP has another length than IP.
 */
static inline size_t transport_header_bytes(uint8_t protocol, const uint8_t *at, size_t bytes)
{
	size_t header_bytes;

	if (protocol == IPPROTO_UDP && bytes >= UDP_HEADER_BYTES)
		return read_be16(at + UDP_AT_LENGTH) == bytes ? UDP_HEADER_BYTES : 0;
	if (protocol != IPPROTO_TCP || bytes < TCP_MIN_HEADER_BYTES)
		return 0;
	header_bytes = (size_t)(at[TCP_AT_DATA_OFFSET] >> 4) * 4;
	return header_bytes >= TCP_MIN_HEADER_BYTES && header_bytes <= bytes ? header_bytes : 0;
}

#endif
