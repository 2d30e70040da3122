/* Facts about native/engine/engine.c: how packets get from one pod to the other. */
#include "engine-pair.h"

static void carries_a_run(const struct setup *setup)
{
	struct pair pair = open_pair(setup);
	uint8_t *sent = malloc(VNET_BYTES + RUN_BYTES), *received = malloc(70000);
	size_t bytes = make_run(sent);

	EXPECT(packet_write(pair.a.pod_fd, sent, bytes), bytes);
	EXPECT(read_packet(pair.b.pod_fd, received, 70000), bytes);
	take_two_hops(sent + VNET_BYTES);
	EXPECT(memcmp(received, sent, bytes), 0); /* header of virtio-net included */
	wait_for_count(&pair.a, COUNTER_ENCAP_SENT, SEGMENTS);
	wait_for_count(&pair.b, COUNTER_DECAP_DELIVERED, SEGMENTS);
	wait_for_count(&pair.a, COUNTER_ENCAP_CUT, SEGMENTS);
	wait_for_count(&pair.b, COUNTER_DECAP_MERGED, SEGMENTS);
	wait_for_count(&pair.a, COUNTER_ENCAP_BYTES, SEGMENTS * 52 + RUN_BYTES - 52);
	wait_for_count(&pair.b, COUNTER_DECAP_BYTES, SEGMENTS * 52 + RUN_BYTES - 52);
	close_pair(&pair);
	free(sent);
	free(received);
}

static void carries_a_tcp_run_and_gives_back_the_very_same(void)
{
	carries_a_run(&OFFLOADED);
}

static void carries_a_tcp_run_in_vxlan_frames(void)
{
	carries_a_run(&(struct setup){.has_vnet_header = true, .batches = true, .is_vxlan = true});
}

/* One datagram for each message: what arrives together is merged, so the run may come in pieces. */
static void carries_a_tcp_run_without_batches_on_the_socket(void)
{
	struct pair pair = open_pair(&(struct setup){.has_vnet_header = true});
	uint8_t *sent = malloc(VNET_BYTES + RUN_BYTES), *received = malloc(70000);
	size_t bytes = make_run(sent), at = 52;

	EXPECT(packet_write(pair.a.pod_fd, sent, bytes), bytes);
	while (at < RUN_BYTES) {
		size_t piece = read_packet(pair.b.pod_fd, received, 70000) - VNET_BYTES - 52;

		EXPECT(memcmp(received + VNET_BYTES + 52, sent + VNET_BYTES + at, piece), 0);
		EXPECT(read_be32(received + VNET_BYTES + 24),
		       read_be32(sent + VNET_BYTES + 24) + at - 52);
		at += piece;
	}
	EXPECT(at, RUN_BYTES);
	wait_for_count(&pair.b, COUNTER_DECAP_DELIVERED, SEGMENTS);
	wait_for_count(&pair.a, COUNTER_ENCAP_SENT, SEGMENTS);
	close_pair(&pair);
	free(sent);
	free(received);
}

static void carries_a_tcp_run_from_a_port_of_its_flow(void)
{
	carries_a_run(
	    &(struct setup){.has_vnet_header = true, .batches = true, .spreads_flows = true});
}

static void spreads_flows_over_source_ports_and_keeps_each_on_its_own(void)
{
	struct setup setup = {.spreads_flows = true};
	struct udp_socket_options options = {UNDERLAY_B, 0, 4 << 20, 0};
	struct fwd_entry to_b = entry_of(SUBNET_B, UNDERLAY_B, MACS[1]);
	int far = udp_socket_open(&options), near;
	uint16_t ports[64] = {0};
	size_t distinct = 0;
	struct end end;

	options.port = port_of(far);
	options.address = UNDERLAY_A;
	near = udp_socket_open(&options);
	end = open_end(&setup, near, options.port, SUBNET_A, MACS[0]);
	EXPECT(engine_replace_table(end.engine, &to_b, 1), 0);
	for (uint16_t i = 0; i < 128; i++) {
		uint8_t packet[100], received[200];
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		struct pollfd wait = {.fd = far, .events = POLLIN};
		uint16_t port;

		make_datagram(packet, 0, sizeof(packet), (uint16_t)(i % 64));
		EXPECT(packet_write(end.pod_fd, packet, sizeof(packet)), sizeof(packet));
		EXPECT(poll(&wait, 1, DEADLINE_MS), 1);
		EXPECT(
		    recvfrom(far, received, sizeof(received), 0, (struct sockaddr *)&from, &size),
		    sizeof(packet));
		port = ntohs(from.sin_port);
		EXPECT(port >= 49152, 1);
		if (i >= 64)
			EXPECT(port, ports[i - 64]);
		else
			ports[i] = port;
	}
	for (size_t i = 0; i < 64; i++) {
		size_t first = 0;

		while (ports[first] != ports[i])
			first++;
		distinct += first == i;
	}
	EXPECT(distinct > SOCKETS_FLOW_PORTS / 2, 1);
	close_end(&end);
	close(far);
}

static void strangers_are_counted_in_the_kernel_and_never_wake_a_thread(void)
{
	struct pair pair = open_pair(&OFFLOADED);
	struct udp_socket_options options = {0x7f000009u, 0, 0, 1 << 20};
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(pair.port),
				 .sin_addr.s_addr = htonl(UNDERLAY_A)};
	int stranger = udp_socket_open(&options);
	uint8_t packet[100];

	make_datagram(packet, 0, sizeof(packet), 9);
	for (int i = 0; i < 1000; i++)
		EXPECT(
		    sendto(stranger, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)),
		    sizeof(packet));
	wait_for_count(&pair.a, COUNTER_DECAP_DROP_STRANGER, 1000);
	EXPECT(counter_of(&pair.a, COUNTER_DECAP_DROP_QUEUE_FULL), 0);
	engine_close(pair.a.engine);
	EXPECT(counter_of(&pair.a, COUNTER_DECAP_DROP_STRANGER), 1000); /* known still */
	close_pair(&pair);
	close(stranger);
}

/* What came back from a drop is about the first packet of the run, and right to the last bit of its
 * checksum. */
static void tells_a_sender_once_about_a_run_that_is_too_long(void)
{
	struct pair pair = open_pair(&OFFLOADED);
	uint8_t *sent = malloc(VNET_BYTES + RUN_BYTES), *received = malloc(70000);
	const uint8_t *error = received + VNET_BYTES, *quoted = error + 28;
	size_t bytes = make_run(sent);
	uint16_t gso_size = OVERLAY_MTU - 51; /* one byte more than fits with 52 of headers */
	uint64_t packets = (RUN_BYTES - 52U + gso_size - 1U) / gso_size;
	struct inner inner;

	memcpy(sent + offsetof(struct virtio_net_hdr, gso_size), &gso_size, sizeof(gso_size));
	EXPECT(packet_write(pair.a.pod_fd, sent, bytes), bytes);
	EXPECT(read_packet(pair.a.pod_fd, received, 70000), VNET_BYTES + 576);
	EXPECT(inner_parse(&inner, error, 576), INNER_FAULT_NONE);
	EXPECT(error[20] << 8 | error[21], 3 << 8 | 4);
	EXPECT(read_be16(error + 26), OVERLAY_MTU);
	EXPECT(checksum_fold(checksum_add(0, error + 20, 556)), 0xffff);
	EXPECT(read_be16(quoted + 2), OVERLAY_MTU + 1);
	EXPECT(checksum_fold(checksum_add(0, quoted, 20)), 0xffff);
	EXPECT(memcmp(quoted + 52, sent + VNET_BYTES + 52, 576 - 28 - 52), 0);
	wait_for_count(&pair.a, COUNTER_ENCAP_DROP_DONT_FRAGMENT, packets);
	wait_for_count(&pair.a, COUNTER_ICMP_SENT, 1);
	close_pair(&pair);
	free(sent);
	free(received);
}

static void drops_a_run_with_more_packets_than_linux_would_make_of_it(void)
{
	struct pair pair = open_pair(&OFFLOADED);
	uint8_t *sent = malloc(VNET_BYTES + RUN_BYTES);
	size_t bytes = make_run(sent);
	uint16_t gso_size = 3; /* 9,470 packets */

	memcpy(sent + offsetof(struct virtio_net_hdr, gso_size), &gso_size, sizeof(gso_size));
	EXPECT(packet_write(pair.a.pod_fd, sent, bytes), bytes);
	wait_for_count(&pair.a, COUNTER_ENCAP_DROP_OFFLOAD, (RUN_BYTES - 52 + 2) / 3);
	EXPECT(counter_of(&pair.a, COUNTER_ENCAP_SENT), 0);
	close_pair(&pair);
	free(sent);
}

static const struct test_case CASES[] = {
    CASE(carries_a_tcp_run_and_gives_back_the_very_same),
    CASE(carries_a_tcp_run_in_vxlan_frames),
    CASE(carries_a_tcp_run_without_batches_on_the_socket),
    CASE(carries_a_tcp_run_from_a_port_of_its_flow),
    CASE(spreads_flows_over_source_ports_and_keeps_each_on_its_own),
    CASE(drops_a_run_with_more_packets_than_linux_would_make_of_it),
    CASE(tells_a_sender_once_about_a_run_that_is_too_long),
    CASE(strangers_are_counted_in_the_kernel_and_never_wake_a_thread),
};

int main(int argc, char **argv)
{
	return RUN_CASES(CASES, argc, argv);
}
