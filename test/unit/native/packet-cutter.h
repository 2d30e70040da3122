/* A packet as the kernel leaves it to be cut, and the packets that cut.c makes of it. */
#ifndef TWILL_PACKET_CUTTER_H
#define TWILL_PACKET_CUTTER_H

#include "packet/cut.h"

#include "c-test.h"
#include "packet-maker.h"

static inline uint8_t gso_type_of(const uint8_t *packet)
{
	if (protocol_of(packet) == IPPROTO_UDP)
		return VIRTIO_NET_HDR_GSO_UDP_L4;
	return packet[0] >> 4 == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

static inline struct virtio_net_hdr vnet_of(const uint8_t *packet, size_t segment_bytes)
{
	return (struct virtio_net_hdr){
	    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	    .gso_type = gso_type_of(packet),
	    .hdr_len = (uint16_t)header_bytes_of(packet),
	    .gso_size = (uint16_t)segment_bytes,
	    .csum_start = (uint16_t)ip_bytes_of(packet),
	    .csum_offset = (uint16_t)(checksum_at(packet) - ip_bytes_of(packet)),
	};
}

/* As the kernel leaves it: the sum of the pseudo-header in the checksum field. */
static inline void make_partial(struct packet packet)
{
	put16(packet.at + checksum_at(packet.at), naive_pseudo(packet.at, packet.bytes));
}

static inline int open_cut(struct cut *cut, struct packet packet, const struct virtio_net_hdr *vnet)
{
	struct inner inner;

	EXPECT(inner_parse(&inner, packet.at, packet.bytes), INNER_FAULT_NONE);
	return cut_open(cut, packet.at, &inner, vnet);
}

/* Packet `index` in one piece. */
static inline struct packet take_segment(const struct cut *cut, size_t index)
{
	uint8_t *header = malloc(cut->header_bytes);
	struct iovec payload;
	struct packet out;

	cut_segment(cut, index, header, &payload);
	out.bytes = cut->header_bytes + payload.iov_len;
	out.at = malloc(out.bytes);
	memcpy(out.at, header, cut->header_bytes);
	memcpy(out.at + cut->header_bytes, payload.iov_base, payload.iov_len);
	free(header);
	return out;
}

static inline void expect_same(struct packet actual, struct packet wanted)
{
	EXPECT(actual.bytes, wanted.bytes);
	for (size_t i = 0; i < wanted.bytes; i++)
		EXPECT(actual.at[i], wanted.at[i]);
}

/* With any flags that may be cut. */
static inline struct packet make_random(uint64_t *seed, size_t payload_bytes)
{
	struct recipe recipe = random_recipe(seed, payload_bytes);

	recipe.flags = (uint8_t)next_random(seed) & 0xf9; /* no SYN, no RST */
	recipe.reserved = (uint8_t)below(seed, 16);
	recipe.urgent = (uint16_t)next_random(seed);
	recipe.fragment &= 0xc000;
	return make_packet(&recipe, seed);
}

#endif
