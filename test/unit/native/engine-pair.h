/*
 * Two engines in one process, joined by UDP on loopback, each with one end of a packet pair in
 * place of its TUN:
 *
 *   pod_a --[pair]-- engine A 127.0.0.2 ==UDP== engine B 127.0.0.3 --[pair]-- pod_b
 *   10.244.1.0/24                                                          10.244.2.0/24
 */
#ifndef TWILL_ENGINE_PAIR_H
#define TWILL_ENGINE_PAIR_H

#include "engine/engine.h"

#include "c-test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "os/packet_io.h"
#include "os/udp_socket.h"
#include "packet/checksum.h"
#include "packet/cut.h"

#define UNDERLAY_A 0x7f000002u
#define UNDERLAY_B 0x7f000003u
#define SUBNET_A 0x0af40100u
#define SUBNET_B 0x0af40200u
#define OVERLAY_MTU 1472
#define VNET_BYTES sizeof(struct virtio_net_hdr)
#define SEGMENT_BYTES 1420
#define SEGMENTS 20
#define RUN_BYTES (52 + SEGMENTS * SEGMENT_BYTES - 7)
#define DEADLINE_MS 20000

/* What differs between the cases. */
struct setup {
	bool has_vnet_header, batches, spreads_flows, is_vxlan;
};

static const struct setup OFFLOADED = {.has_vnet_header = true, .batches = true};

struct end {
	struct engine *engine;
	int pod_fd;
};

struct pair {
	struct end a, b;
	uint16_t port;
};

static const uint8_t MACS[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

static inline uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint16_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	EXPECT(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

static inline struct end open_end(const struct setup *setup, int socket_fd, uint16_t port,
				  uint32_t subnet, const uint8_t mac[6])
{
	struct engine_options options = {
	    .queues = 1,
	    .socket_fd = socket_fd,
	    .peer_port = port,
	    .has_vnet_header = setup->has_vnet_header,
	    .takes_udp_runs = true,
	    .batches = setup->batches,
	    .spreads_flows = setup->spreads_flows,
	    .framing = {.kind = setup->is_vxlan ? FRAMING_VXLAN : FRAMING_BARE, .vni = 7},
	    .rules = {.own_first = subnet,
		      .own_last = subnet + 255,
		      .overlay_mtu = OVERLAY_MTU,
		      .max_inner_bytes = 65507 - 22},
	    .icmp_sender = {.address = subnet},
	};
	struct end end;
	int fds[2];

	memcpy(options.framing.own_mac, mac, 6);
	EXPECT(packet_pair(fds), 0);
	options.tun_fds[0] = fds[0];
	end.pod_fd = fds[1];
	EXPECT(engine_open(&options, &end.engine), 0);
	return end;
}

static inline struct fwd_entry entry_of(uint32_t subnet, uint32_t underlay, const uint8_t mac[6])
{
	struct fwd_entry entry = {.first = subnet, .last = subnet + 255, .underlay = underlay};

	memcpy(entry.vtep_mac, mac, 6);
	return entry;
}

static inline struct pair open_pair(const struct setup *setup)
{
	struct udp_socket_options options = {UNDERLAY_A, 0, 4 << 20, 4 << 20};
	struct pair pair;
	struct fwd_entry to_a = entry_of(SUBNET_A, UNDERLAY_A, MACS[0]);
	struct fwd_entry to_b = entry_of(SUBNET_B, UNDERLAY_B, MACS[1]);
	int socket_a = udp_socket_open(&options), socket_b;

	EXPECT(socket_a >= 0, 1);
	pair.port = options.port = port_of(socket_a);
	options.address = UNDERLAY_B;
	socket_b = udp_socket_open(&options);
	EXPECT(socket_b >= 0, 1);
	pair.a = open_end(setup, socket_a, pair.port, SUBNET_A, MACS[0]);
	pair.b = open_end(setup, socket_b, pair.port, SUBNET_B, MACS[1]);
	EXPECT(engine_replace_table(pair.a.engine, &to_b, 1), 0);
	EXPECT(engine_replace_table(pair.b.engine, &to_a, 1), 0);
	return pair;
}

static inline void close_end(struct end *end)
{
	engine_free(end->engine);
	close(end->pod_fd);
}

static inline void close_pair(struct pair *pair)
{
	close_end(&pair->a);
	close_end(&pair->b);
}

static inline uint64_t counter_of(const struct end *end, enum counter place)
{
	uint64_t values[COUNTER_COUNT];

	engine_read_counters(end->engine, values);
	return values[place];
}

static inline void wait_for_count(const struct end *end, enum counter place, uint64_t wanted)
{
	uint64_t deadline_us = now_us() + DEADLINE_MS * 1000;

	while (counter_of(end, place) < wanted && now_us() < deadline_us)
		sched_yield();
	EXPECT(counter_of(end, place), wanted);
}

/* Reads the next packet, which must come; returns its length. */
static inline size_t read_packet(int fd, uint8_t *out, size_t size)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t bytes;

	EXPECT(poll(&wait, 1, DEADLINE_MS), 1);
	bytes = packet_read(fd, out, size);
	EXPECT(bytes > 0, 1);
	return (size_t)bytes;
}

static inline void write_header(uint8_t *packet, uint8_t protocol, size_t bytes, uint32_t source,
				uint32_t destination)
{
	uint16_t sum;

	memset(packet, 0, 20);
	packet[0] = 0x45;
	write_be16(packet + 2, (uint16_t)bytes);
	write_be16(packet + 4, 0x1234);
	packet[6] = 0x40;
	packet[8] = 64;
	packet[9] = protocol;
	write_be32(packet + 12, source);
	write_be32(packet + 16, destination);
	sum = (uint16_t)~checksum_fold(checksum_add(0, packet, 20));
	memcpy(packet + 10, &sum, 2);
}

/* A run of TCP segments with timestamps as the kernel hands it over: partial checksum, one header.
 */
static inline size_t make_run(uint8_t *out)
{
	struct virtio_net_hdr vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				      .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				      .hdr_len = 52,
				      .gso_size = SEGMENT_BYTES,
				      .csum_start = 20,
				      .csum_offset = 16};
	uint8_t *packet = out + VNET_BYTES, *tcp = packet + 20;
	uint16_t sum;

	memcpy(out, &vnet, VNET_BYTES);
	write_header(packet, IPPROTO_TCP, RUN_BYTES, SUBNET_A + 5, SUBNET_B + 7);
	for (size_t i = 20; i < RUN_BYTES; i++)
		packet[i] = (uint8_t)(i * 7 + (i >> 8));
	tcp[12] = 0x80; /* 32 bytes of header */
	tcp[13] = 0x18; /* PSH, ACK */
	memset(tcp + 16, 0, 4);
	memcpy(tcp + 20, "\x01\x01\x08\x0a\0\0\0\1\0\0\0\2", 12);
	sum = checksum_fold(checksum_add_pseudo(0, packet, IPPROTO_TCP, RUN_BYTES - 20));
	memcpy(tcp + 16, &sum, 2);
	return VNET_BYTES + RUN_BYTES;
}

/* The packet after both nodes took their hop; everything else as it was. */
static inline void take_two_hops(uint8_t *packet)
{
	inner_take_hop(packet);
	inner_take_hop(packet);
}

static inline size_t make_datagram(uint8_t *out, size_t vnet_bytes, size_t bytes, uint16_t port)
{
	uint8_t *packet = out + vnet_bytes;

	memset(out, 0, vnet_bytes + bytes);
	write_header(packet, IPPROTO_UDP, bytes, SUBNET_A + 5, SUBNET_B + 7);
	write_be16(packet + 20, port);
	write_be16(packet + 24, (uint16_t)(bytes - 20)); /* the checksum stays 0: there is none */
	return vnet_bytes + bytes;
}

#endif
