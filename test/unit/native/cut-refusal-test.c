/* What native/packet/cut.c refuses, and that it stays within the packet whatever it is told. */
#include "packet-cutter.h"

#include <errno.h>

/* What may be wrong with a packet and its header; each alone is enough. */
enum wrong {
	NOTHING_WRONG,
	SIZE_ZERO,
	TYPE_NONE,
	TYPE_UFO,
	TYPE_OTHER_FAMILY,
	TYPE_OTHER_PROTOCOL,
	TYPE_UDP_ECN,
	CSUM_START,
	CSUM_OFFSET,
	FRAGMENT,
	LATER_FRAGMENT,
	OTHER_PROTOCOL,
	SYN,
	RST,
	DATA_OFFSET_SHORT,
	DATA_OFFSET_LONG,
	UDP_LENGTH_SHORT,
	UDP_LENGTH_LONG,
	NO_PAYLOAD,
	HEADER_NOT_WHOLE,
	WRONG_COUNT,
};

static bool is_about(enum wrong wrong, const struct recipe *recipe)
{
	switch (wrong) {
	case TYPE_OTHER_FAMILY:
	case SYN:
	case RST:
	case DATA_OFFSET_SHORT:
	case DATA_OFFSET_LONG:
		return recipe->protocol == IPPROTO_TCP;
	case TYPE_UDP_ECN:
	case UDP_LENGTH_SHORT:
	case UDP_LENGTH_LONG:
		return recipe->protocol == IPPROTO_UDP;
	case FRAGMENT:
	case LATER_FRAGMENT:
		return recipe->version == 4;
	default:
		return true;
	}
}

static void spoil_recipe(struct recipe *recipe, enum wrong wrong)
{
	if (wrong == FRAGMENT)
		recipe->fragment = 0x2000;
	if (wrong == LATER_FRAGMENT)
		recipe->fragment = 0x0001;
	if (wrong == SYN)
		recipe->flags |= 0x02;
	if (wrong == RST)
		recipe->flags |= 0x04;
	if (wrong == NO_PAYLOAD)
		recipe->payload_bytes = 0;
}

static void spoil_vnet(struct virtio_net_hdr *vnet, enum wrong wrong, uint8_t protocol)
{
	if (wrong == SIZE_ZERO)
		vnet->gso_size = 0;
	if (wrong == TYPE_NONE)
		vnet->gso_type = VIRTIO_NET_HDR_GSO_NONE;
	if (wrong == TYPE_UFO)
		vnet->gso_type = VIRTIO_NET_HDR_GSO_UDP;
	if (wrong == TYPE_OTHER_FAMILY)
		vnet->gso_type ^= VIRTIO_NET_HDR_GSO_TCPV4 ^ VIRTIO_NET_HDR_GSO_TCPV6;
	if (wrong == TYPE_OTHER_PROTOCOL)
		vnet->gso_type =
		    protocol == IPPROTO_UDP ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_UDP_L4;
	if (wrong == TYPE_UDP_ECN)
		vnet->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	if (wrong == CSUM_START)
		vnet->csum_start++;
	if (wrong == CSUM_OFFSET)
		vnet->csum_offset = vnet->csum_offset == 6 ? 16 : 6;
}

static void spoil_packet(struct packet *packet, enum wrong wrong)
{
	uint8_t *ip = packet->at, *transport = ip + ip_bytes_of(ip);

	if (wrong == DATA_OFFSET_SHORT)
		transport[12] = 0x40;
	if (wrong == DATA_OFFSET_LONG)
		transport[12] = 0xf0; /* 60 bytes, and no more than 59 are there */
	if (wrong == UDP_LENGTH_SHORT)
		put16(transport + 4, get16(transport + 4) - 1u);
	if (wrong == UDP_LENGTH_LONG)
		put16(transport + 4, get16(transport + 4) + 1u);
	if (wrong == OTHER_PROTOCOL)
		ip[ip[0] >> 4 == 4 ? 9 : 6] = IPPROTO_SCTP;
	if (wrong == HEADER_NOT_WHOLE) {
		packet->bytes = ip_bytes_of(ip) + (protocol_of(ip) == IPPROTO_UDP ? 7 : 19);
		packet->at = realloc(ip, packet->bytes);
		put16(packet->at + (packet->at[0] >> 4 == 4 ? 2 : 4),
		      packet->bytes - (packet->at[0] >> 4 == 4 ? 0 : 40));
	}
	if (packet->at[0] >> 4 == 4)
		naive_finish_ipv4(packet->at);
}

static void open_refuses_what_does_not_fit(void)
{
	size_t refused[WRONG_COUNT] = {0};
	uint64_t seed = 7;

	for (size_t round = 0; round < 200 * WRONG_COUNT; round++) {
		enum wrong wrong = (enum wrong)(round % WRONG_COUNT);
		struct recipe recipe = random_recipe(&seed, 39);
		struct virtio_net_hdr vnet;
		struct packet packet;
		struct cut cut;

		recipe.tcp_option_words = 0;
		if (!is_about(wrong, &recipe))
			continue;
		spoil_recipe(&recipe, wrong);
		packet = make_packet(&recipe, &seed);
		vnet = vnet_of(packet.at, 10);
		spoil_vnet(&vnet, wrong, recipe.protocol);
		spoil_packet(&packet, wrong);
		EXPECT(open_cut(&cut, packet, &vnet), wrong == NOTHING_WRONG ? 0 : -EINVAL);
		refused[wrong]++;
		free(packet.at);
	}
	for (size_t wrong = 0; wrong < WRONG_COUNT; wrong++)
		EXPECT(refused[wrong] > 20, 1);
}

static void finish_refuses_a_place_outside_the_payload(void)
{
	uint64_t seed = 12;

	for (size_t round = 0; round < 200; round++) {
		struct packet packet = make_random(&seed, 20);
		struct virtio_net_hdr vnet = vnet_of(packet.at, 0);

		vnet.csum_start--;
		EXPECT(cut_finish_checksum(packet.at, packet.bytes, &vnet), -EINVAL);
		vnet.csum_start = (uint16_t)(packet.bytes - 4);
		vnet.csum_offset = 2;
		EXPECT(cut_finish_checksum(packet.at, packet.bytes, &vnet), 0);
		vnet.csum_offset = 3;
		EXPECT(cut_finish_checksum(packet.at, packet.bytes, &vnet), -EINVAL);
		vnet.csum_start = vnet.csum_offset = UINT16_MAX;
		EXPECT(cut_finish_checksum(packet.at, packet.bytes, &vnet), -EINVAL);
		free(packet.at);
	}
}

static struct virtio_net_hdr random_vnet(const uint8_t *packet, uint64_t *seed)
{
	struct virtio_net_hdr any, right = vnet_of(packet, 1 + below(seed, 200));
	uint8_t *to = (uint8_t *)&right, *from = (uint8_t *)&any;

	for (size_t i = 0; i < sizeof(any); i++) {
		from[i] = (uint8_t)next_random(seed);
		if (below(seed, 8) == 0)
			to[i] = from[i];
	}
	return below(seed, 4) ? right : any;
}

/* Every result is a good one as long as nothing outside the packet is touched: the sanitizer looks.
 */
static void nonsense_is_refused_or_cut_within_the_packet(void)
{
	uint64_t seed = 9, opened = 0, refused = 0;

	for (size_t round = 0; round < 100000; round++) {
		struct packet packet = make_random(&seed, below(&seed, 300));
		struct virtio_net_hdr vnet = random_vnet(packet.at, &seed);
		struct inner inner;
		struct cut cut;

		for (size_t i = below(&seed, 4); i > 0; i--)
			packet.at[below(&seed, packet.bytes)] = (uint8_t)next_random(&seed);
		if (packet.at[0] >> 4 == 4 && ip_bytes_of(packet.at) <= packet.bytes)
			naive_finish_ipv4(packet.at);
		if (inner_parse(&inner, packet.at, packet.bytes) == INNER_FAULT_NONE) {
			size_t payload = 0;
			int ret = cut_open(&cut, packet.at, &inner, &vnet);

			for (size_t i = 0; ret == 0 && i < cut.count; i++) {
				struct packet segment = take_segment(&cut, i);

				EXPECT(segment.bytes > cut.header_bytes, 1);
				EXPECT(segment.bytes <= cut_longest(&cut), 1);
				payload += segment.bytes - cut.header_bytes;
				free(segment.at);
			}
			EXPECT(ret == 0 || ret == -EINVAL, 1);
			if (ret == 0)
				EXPECT(payload, inner.total_bytes - cut.header_bytes);
			*(ret == 0 ? &opened : &refused) += 1;
			cut_finish_checksum(packet.at, inner.total_bytes, &vnet);
		}
		free(packet.at);
	}
	EXPECT(opened > 5000 && refused > 5000, 1);
}

static const struct test_case cases[] = {
    CASE(open_refuses_what_does_not_fit),
    CASE(finish_refuses_a_place_outside_the_payload),
    CASE(nonsense_is_refused_or_cut_within_the_packet),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
