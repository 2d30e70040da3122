/* What native/packet/cut.c makes of packets, against the naive twin of packet-maker.h. */
#include "packet-cutter.h"

static void expect_cut_like_twin(struct packet whole, const struct virtio_net_hdr *vnet)
{
	size_t payload = whole.bytes - header_bytes_of(whole.at), size = vnet->gso_size;
	struct cut cut;

	EXPECT(open_cut(&cut, whole, vnet), 0);
	EXPECT(cut.count, payload / size + (payload % size != 0));
	EXPECT(cut_longest(&cut), header_bytes_of(whole.at) + (payload < size ? payload : size));
	for (size_t i = 0; i < cut.count; i++) {
		struct packet actual = take_segment(&cut, i);
		struct packet wanted = naive_segment(whole, size, i);

		expect_same(actual, wanted);
		free(actual.at);
		free(wanted.at);
	}
}

static void segments_are_those_of_the_naive_twin(void)
{
	uint64_t seed = 1;

	for (size_t round = 0; round < 3000; round++) {
		size_t limit = round % 100 == 0 ? 65535 - 120 : 6000;
		struct packet whole = make_random(&seed, 1 + below(&seed, limit));
		size_t size = 1 + below(&seed, below(&seed, 2) ? 65535 : 3000);
		struct virtio_net_hdr vnet = vnet_of(whole.at, limit > 6000 ? size | 512 : size);

		if (below(&seed, 8) == 0)
			vnet.flags = 0; /* the checksum may be finished already; it is made anew */
		else
			make_partial(whole);
		if (protocol_of(whole.at) == IPPROTO_TCP && below(&seed, 2))
			vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		expect_cut_like_twin(whole, &vnet);
		free(whole.at);
	}
}

static void longest_packets_are_cut_to_the_byte(void)
{
	for (uint64_t seed = 0; seed < 40; seed++) {
		uint64_t state = seed;
		struct recipe recipe = random_recipe(&state, 1);
		struct packet whole = make_packet(&recipe, &state);
		size_t header = whole.bytes - 1;
		struct virtio_net_hdr vnet = vnet_of(whole.at, seed % 4 == 0 ? 97 : 1440);

		free(whole.at);
		recipe.payload_bytes = (recipe.version == 4 ? 65535 : 65575) - header;
		whole = make_packet(&recipe, &state);
		make_partial(whole);
		expect_cut_like_twin(whole, &vnet);
		free(whole.at);
	}
}

static void fin_psh_cwr_are_kept_at_one_end(void)
{
	static const uint8_t wanted[] = {0xd0, 0x50,
					 0x59}; /* CWR ECE ACK, ECE ACK, ECE ACK PSH FIN */
	uint64_t seed = 5;
	struct recipe recipe = random_recipe(&seed, 3000);
	struct virtio_net_hdr vnet;
	struct packet whole;
	struct cut cut;

	recipe.version = 4;
	recipe.protocol = IPPROTO_TCP;
	recipe.flags = 0xd9;
	recipe.reserved = 0x9;
	recipe.sequence = 0xfffffff0;
	recipe.id = 0xffff;
	whole = make_packet(&recipe, &seed);
	vnet = vnet_of(whole.at, 1200);
	EXPECT(open_cut(&cut, whole, &vnet), 0);
	EXPECT(cut.count, 3);
	for (size_t i = 0; i < 3; i++) {
		struct packet segment = take_segment(&cut, i);
		const uint8_t *tcp = segment.at + ip_bytes_of(segment.at);

		EXPECT(tcp[13], wanted[i]);
		EXPECT(tcp[12] & 15, 0x9);
		EXPECT(get32(tcp + 4), (uint32_t)(0xfffffff0 + 1200 * i));
		EXPECT(get16(segment.at + 4), (uint16_t)(0xffff + i));
		EXPECT(segment.bytes, cut.header_bytes + (i < 2 ? 1200 : 600));
		free(segment.at);
	}
	vnet.gso_size = 3000;
	EXPECT(open_cut(&cut, whole, &vnet), 0);
	EXPECT(cut.count, 1);
	EXPECT(cut_longest(&cut), whole.bytes);
	struct packet segment = take_segment(&cut, 0);
	EXPECT(segment.at[ip_bytes_of(segment.at) + 13], 0xd9);
	free(segment.at);
	free(whole.at);
}

/* A packet of two bytes of payload whose checksum comes out as 0. */
static struct packet make_zero_sum(uint8_t protocol, uint64_t *seed)
{
	struct recipe recipe = random_recipe(seed, 2);
	struct packet packet;

	recipe.protocol = protocol;
	packet = make_packet(&recipe, seed);
	put16(packet.at + packet.bytes - 2, 0);
	naive_finish_transport(packet.at, packet.bytes);
	memcpy(packet.at + packet.bytes - 2, packet.at + checksum_at(packet.at), 2);
	make_partial(packet);
	return packet;
}

static void zero_is_sent_as_all_ones_in_udp_only(void)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};

	for (uint64_t seed = 0; seed < 20; seed++) {
		uint64_t state = seed;
		struct packet whole = make_zero_sum(protocols[seed % 2], &state), segment;
		struct virtio_net_hdr vnet = vnet_of(whole.at, 2);
		struct cut cut;

		EXPECT(open_cut(&cut, whole, &vnet), 0);
		segment = take_segment(&cut, 0);
		EXPECT(get16(segment.at + checksum_at(segment.at)), seed % 2 ? 0 : 0xffff);
		EXPECT(cut_finish_checksum(whole.at, whole.bytes, &vnet), 0);
		expect_same(segment, whole);
		free(segment.at);
		free(whole.at);
	}
}

static void header_length_of_vnet_is_not_believed(void)
{
	uint64_t seed = 8;

	for (size_t round = 0; round < 100; round++) {
		struct packet whole = make_random(&seed, 500);
		struct virtio_net_hdr vnet = vnet_of(whole.at, 100);

		vnet.hdr_len = (uint16_t)next_random(&seed);
		expect_cut_like_twin(whole, &vnet);
		free(whole.at);
	}
}

static void finish_makes_a_partial_checksum_right(void)
{
	uint64_t seed = 10;

	for (size_t round = 0; round < 2000; round++) {
		struct packet packet = make_random(&seed, below(&seed, 2000));
		struct packet wanted = {malloc(packet.bytes), packet.bytes};
		struct virtio_net_hdr vnet = vnet_of(packet.at, 0);

		memcpy(wanted.at, packet.at, packet.bytes);
		make_partial(packet);
		EXPECT(cut_finish_checksum(packet.at, packet.bytes, &vnet), 0);
		expect_same(packet, wanted);
		free(packet.at);
		free(wanted.at);
	}
}

static void finish_leaves_alone_what_needs_nothing(void)
{
	uint64_t seed = 11;
	struct packet packet = make_random(&seed, 100);
	struct packet wanted = {malloc(packet.bytes), packet.bytes};
	struct virtio_net_hdr vnet = vnet_of(packet.at, 0);

	packet.at[checksum_at(packet.at)] ^= 1;
	memcpy(wanted.at, packet.at, packet.bytes);
	vnet.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	EXPECT(cut_finish_checksum(packet.at, packet.bytes, &vnet), 0);
	vnet.csum_start = UINT16_MAX; /* has no meaning without the flag */
	EXPECT(cut_finish_checksum(packet.at, packet.bytes, &vnet), 0);
	expect_same(packet, wanted);
	free(packet.at);
	free(wanted.at);
}

static const struct test_case cases[] = {
    CASE(segments_are_those_of_the_naive_twin),	  CASE(longest_packets_are_cut_to_the_byte),
    CASE(fin_psh_cwr_are_kept_at_one_end),	  CASE(zero_is_sent_as_all_ones_in_udp_only),
    CASE(header_length_of_vnet_is_not_believed),  CASE(finish_makes_a_partial_checksum_right),
    CASE(finish_leaves_alone_what_needs_nothing),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
