/*
 * What lies between the outer UDP header and the inner IP packet: nothing (flannel's udp
 * backend), or a VXLAN and an Ethernet header:
 *
 *    0 | R R R R I R R R |            reserved (24 bits)              |   RFC 7348 section 5
 *    4 |             VNI (24 bits)              |  reserved (8 bits)  |
 *    8 | destination MAC (6) | source MAC (6) | ethertype (2) |
 *
 * Pure.
 */
#ifndef TWILL_FRAMING_H
#define TWILL_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#include "packet/counters.h"

#define FRAMING_MAX_BYTES 22

enum framing_kind {
	FRAMING_BARE,
	FRAMING_VXLAN,
};

struct framing {
	enum framing_kind kind;
	uint32_t vni;	    /* 0 to 2^24 - 1 */
	uint8_t own_mac[6]; /* of this node's VTEP */
};

/* Bytes in front of every inner packet: 0 or 22. */
size_t framing_bytes(const struct framing *framing);

/* Writes them for a packet of IP version 4 or 6 to a peer. */
void framing_write(const struct framing *framing, uint8_t out[FRAMING_MAX_BYTES],
		   const uint8_t peer_mac[6], uint8_t version);

/*
 * Looks at a datagram: COUNTER_DECAP_DELIVERED when an inner packet begins at framing_bytes(),
 * and `version` is what the ethertype says (0 for bare IP); else why it is dropped: shorter than
 * the headers (SHORT), I flag clear (FRAME_FLAGS; reserved bits are ignored), another VNI
 * (FRAME_VNI), not our MAC (FRAME_MAC: broadcast and multicast too), an ethertype other than
 * IPv4 and IPv6 (FRAME_TYPE: ARP, VLAN).
 */
enum counter framing_read(const struct framing *framing, const uint8_t *datagram, size_t bytes,
			  uint8_t *version);

#endif
