#include "packet/framing.h"

#include <net/ethernet.h>
#include <string.h>

#include "packet/inner.h"

#define VXLAN_FLAG_I 0x08 /* there is a valid VNI */

/* Offsets, from the start of the datagram. */
#define VNI_AT 4
#define DESTINATION_MAC_AT 8
#define SOURCE_MAC_AT 14
#define TYPE_AT 20

size_t framing_bytes(const struct framing *framing)
{
	return framing->kind == FRAMING_VXLAN ? FRAMING_MAX_BYTES : 0;
}

void framing_write(const struct framing *framing, uint8_t out[FRAMING_MAX_BYTES],
		   const uint8_t peer_mac[6], uint8_t version)
{
	if (framing->kind == FRAMING_BARE)
		return;
	write_be32(out, (uint32_t)VXLAN_FLAG_I << 24);
	write_be32(out + VNI_AT, framing->vni << 8);
	memcpy(out + DESTINATION_MAC_AT, peer_mac, ETHER_ADDR_LEN);
	memcpy(out + SOURCE_MAC_AT, framing->own_mac, ETHER_ADDR_LEN);
	write_be16(out + TYPE_AT, version == 4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
}

static uint8_t version_of_ethertype(uint16_t ethertype)
{
	switch (ethertype) {
	case ETHERTYPE_IP:
		return 4;
	case ETHERTYPE_IPV6:
		return 6;
	default:
		return 0;
	}
}

enum counter framing_read(const struct framing *framing, const uint8_t *datagram, size_t bytes,
			  uint8_t *version)
{
	*version = 0;
	if (framing->kind == FRAMING_BARE)
		return COUNTER_DECAP_DELIVERED;
	if (bytes < FRAMING_MAX_BYTES)
		return COUNTER_DECAP_DROP_SHORT;
	if (!(datagram[0] & VXLAN_FLAG_I))
		return COUNTER_DECAP_DROP_FRAME_FLAGS;
	if (read_be32(datagram + VNI_AT) >> 8 != framing->vni)
		return COUNTER_DECAP_DROP_FRAME_VNI;
	if (memcmp(datagram + DESTINATION_MAC_AT, framing->own_mac, ETHER_ADDR_LEN) != 0)
		return COUNTER_DECAP_DROP_FRAME_MAC;
	*version = version_of_ethertype(read_be16(datagram + TYPE_AT));
	return *version == 0 ? COUNTER_DECAP_DROP_FRAME_TYPE : COUNTER_DECAP_DELIVERED;
}
