/*
 * cut_finish_checksum() and cut_open() with cut_segment() against packets that are built anew, each
 * with every sum from scratch. Input: settings (1), GSO type (1), segment size (2), checksum start
 * (1) and offset (1), packet.
 */
#include "fuzz.h"
#include "slow-cut.h"

#include "packet/cut.h"

#include <errno.h>

#define MENDS 0x01u   /* lengths and IPv4 checksum, or else nearly no packet would be whole */
#define SUITS 0x02u   /* the virtio-net header is one that fits the packet */
#define IS_NONE 0x04u /* one packet that only wants its checksum finished */
#define SMALL_SEGMENTS 0x08u

#define MAX_TOTAL_BYTES 65535
#define NEEDS_CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM

static struct arena arena;

static bool is_cuttable(const uint8_t *packet, const struct slow_layout *layout,
			const struct virtio_net_hdr *vnet)
{
	const uint8_t *upper = packet + layout->ip;
	unsigned tcp_type = layout->is_ipv4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	unsigned type = vnet->gso_type;

	if (layout->header == 0 || layout->header >= layout->total || vnet->gso_size == 0)
		return false;
	if (layout->is_ipv4 && slow_u16(packet + 6) % 0x4000 > 0)
		return false;
	if (vnet->flags & NEEDS_CSUM && (vnet->csum_start != layout->ip ||
					 vnet->csum_offset != (layout->protocol == TCP ? 16 : 6)))
		return false;
	if (layout->protocol == TCP)
		return (type == tcp_type || type == (tcp_type | VIRTIO_NET_HDR_GSO_ECN)) &&
		       (upper[13] & 0x06) == 0;
	return type == VIRTIO_NET_HDR_GSO_UDP_L4 &&
	       slow_u16(upper + 4) == layout->total - layout->ip;
}

NOT_TRACED static void check_segments(const struct cut *cut, const uint8_t *packet,
				      const struct slow_layout *layout, size_t gso_size)
{
	static uint8_t segment[MAX_TOTAL_BYTES + 40];
	size_t sum = 0, longest = 0;

	MUST(cut->header_bytes == layout->header && cut->header_bytes <= CUT_MAX_HEADER_BYTES);
	for (size_t i = 0; i < cut->count; i++) {
		size_t mark = arena.used; /* the next one's header goes to the same place */
		uint8_t *header = arena_take(&arena, cut->header_bytes);
		size_t bytes =
		    slow_segment(segment, packet, layout, gso_size, i, i + 1 == cut->count);
		struct iovec payload;
		struct inner inner;

		arena.used = mark;
		cut_segment(cut, i, header, &payload);
		MUST(payload.iov_len >= 1 && payload.iov_len <= gso_size);
		MUST(payload.iov_base == packet + layout->header + sum);
		MUST(cut->header_bytes + payload.iov_len == bytes);
		MUST(memcmp(header, segment, cut->header_bytes) == 0);
		MUST(inner_parse(&inner, segment, bytes) == INNER_FAULT_NONE);
		MUST(inner.total_bytes == bytes);
		MUST(slow_upper_is_right(segment, bytes, layout->ip, layout->protocol));
		sum += payload.iov_len;
		longest = bytes > longest ? bytes : longest;
	}
	MUST(layout->header + sum == layout->total);
	MUST(cut_longest(cut) == longest);
}

static void check_finish(uint8_t *packet, const struct slow_layout *layout,
			 const struct virtio_net_hdr *vnet)
{
	size_t at = (size_t)vnet->csum_start + vnet->csum_offset, total = layout->total;
	uint8_t *before = arena_copy(&arena, packet, total);
	bool is_inside = vnet->csum_start >= layout->ip && at + 2 <= total;
	unsigned checksum;
	int ret = cut_finish_checksum(packet, total, vnet);

	MUST(ret == (is_inside || !(vnet->flags & NEEDS_CSUM) ? 0 : -EINVAL));
	if (ret == 0 && vnet->flags & NEEDS_CSUM) {
		checksum =
		    slow_checksum(slow_sum(0, before + vnet->csum_start, total - vnet->csum_start));
		if (checksum == 0 && vnet->csum_offset == 6)
			checksum = 0xffff;
		slow_put_u16(before + at, checksum);
	}
	MUST(memcmp(packet, before, total) == 0);
}

/* A packet with right lengths; one of a few hundred is as long as one can be. */
NOT_TRACED static uint8_t *take_packet(struct input *input, uint8_t settings, uint32_t hash,
				       size_t *bytes)
{
	size_t least = input->left >= 1 && input->at[0] / 16 == 6 ? 40 : 20;
	size_t full = MAX_TOTAL_BYTES + (least == 40 ? 40 : 0), ip = least;
	uint8_t *packet;

	*bytes = input->left;
	if (!(settings & MENDS) || input->left < least)
		return arena_copy(&arena, input->at, input->left);
	if (hash % 256 == 0)
		*bytes = full - hash / 256 % 64;
	packet = arena_take(&arena, *bytes);
	for (size_t i = 0; i < *bytes; i += input->left)
		memcpy(packet + i, input->at, *bytes - i < input->left ? *bytes - i : input->left);
	slow_put_u16(packet + (least == 40 ? 4 : 2), *bytes - (least == 40 ? 40 : 0));
	if (least == 20)
		ip = slow_ipv4_header_bytes(packet);
	if (packet[least == 40 ? 6 : 9] == UDP && ip + 8 <= *bytes)
		slow_put_u16(packet + ip + 4, *bytes - ip);
	slow_mend_if_ipv4(packet, *bytes);
	return packet;
}

static void suit(struct virtio_net_hdr *vnet, const struct slow_layout *layout)
{
	unsigned tcp_type = layout->is_ipv4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;

	vnet->flags = NEEDS_CSUM;
	vnet->csum_start = (uint16_t)layout->ip;
	vnet->csum_offset = layout->protocol == TCP ? 16 : 6;
	vnet->gso_type = (uint8_t)(layout->protocol == TCP ? tcp_type : VIRTIO_NET_HDR_GSO_UDP_L4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input input = {data, bytes};
	uint8_t settings = take_u8(&input), *packet, *before;
	struct virtio_net_hdr vnet = {.flags = NEEDS_CSUM, .gso_type = take_u8(&input)};
	struct slow_layout layout;
	struct inner inner;
	struct cut cut;
	size_t length;
	int ret;

	vnet.gso_size = take_u16(&input);
	vnet.csum_start = take_u8(&input);
	vnet.csum_offset = take_u8(&input);
	vnet.flags = vnet.csum_start == 0xff ? 0 : NEEDS_CSUM;
	arena_reset(&arena);
	packet = take_packet(&input, settings, hash_of(data, bytes), &length);
	if (settings & SMALL_SEGMENTS)
		vnet.gso_size = vnet.gso_size % 64 + 1;
	if (length > 1000 && vnet.gso_size < 1000) /* or it would be ten thousands of segments */
		vnet.gso_size = (uint16_t)(vnet.gso_size + 1000);
	if (inner_parse(&inner, packet, length) != INNER_FAULT_NONE)
		return 0;
	layout = slow_layout_of(packet, inner.total_bytes);
	if (settings & SUITS)
		suit(&vnet, &layout);
	if (settings & IS_NONE) {
		check_finish(packet, &layout, &vnet);
		return 0;
	}
	before = arena_copy(&arena, packet, length);
	ret = cut_open(&cut, packet, &inner, &vnet);
	MUST(ret == (is_cuttable(packet, &layout, &vnet) ? 0 : -EINVAL));
	if (ret == 0)
		check_segments(&cut, packet, &layout, vnet.gso_size);
	MUST(memcmp(packet, before, length) == 0);
	return 0;
}
