/*
 * TCP and UDP packets for tests, and the slow and obvious ways to finish and to cut them: byte by
 * byte as RFC 791, 768, 1071, 8200 and 9293 have it, with nothing of native/packet.
 */
#ifndef TWILL_PACKET_MAKER_H
#define TWILL_PACKET_MAKER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

/* Allocated to the byte. */
struct packet {
	uint8_t *at;
	size_t bytes;
};

struct recipe {
	uint8_t version, protocol;
	uint8_t source[16], destination[16]; /* the first 4 for IPv4 */
	uint8_t traffic_class, ip_ttl;
	uint32_t flow_label;	/* IPv6 */
	uint16_t id, fragment;	/* IPv4: identification; flags and offset */
	size_t ip_option_words; /* IPv4 */
	uint16_t ports[2];
	uint32_t sequence, ack;
	uint8_t reserved, flags; /* TCP: lower half of byte 12, byte 13 */
	uint16_t window, urgent;
	size_t tcp_option_words;
	uint8_t option_byte; /* what options are filled with */
	size_t payload_bytes;
};

static inline void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] * 256 + at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
	return get16(at) * 65536u + get16(at + 2);
}

static inline size_t ip_bytes_of(const uint8_t *packet)
{
	return packet[0] >> 4 == 6 ? 40 : (packet[0] & 15u) * 4;
}

static inline uint8_t protocol_of(const uint8_t *packet)
{
	return packet[packet[0] >> 4 == 6 ? 6 : 9];
}

static inline size_t header_bytes_of(const uint8_t *packet)
{
	size_t ip = ip_bytes_of(packet);

	return ip + (protocol_of(packet) == IPPROTO_UDP ? 8 : (size_t)(packet[ip + 12] >> 4) * 4);
}

static inline size_t checksum_at(const uint8_t *packet)
{
	return ip_bytes_of(packet) + (protocol_of(packet) == IPPROTO_UDP ? 6 : 16);
}

/* One word after the other, and the carry at once around the end (RFC 1071 section 1). */
static inline uint32_t naive_sum(uint32_t sum, const uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		sum += i % 2 == 0 ? at[i] * 256u : at[i];
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

/* Sum of the pseudo-header. */
static inline uint32_t naive_pseudo(const uint8_t *packet, size_t bytes)
{
	size_t ip = ip_bytes_of(packet);
	uint8_t end[8] = {0};

	put32(end, (uint32_t)(bytes - ip));
	end[7] = protocol_of(packet);
	if (packet[0] >> 4 == 6)
		return naive_sum(naive_sum(0, packet + 8, 32), end, 8);
	return naive_sum(naive_sum(0, packet + 12, 8), end, 8);
}

static inline void naive_finish_transport(uint8_t *packet, size_t bytes)
{
	size_t ip = ip_bytes_of(packet), at = checksum_at(packet);
	uint32_t sum;

	put16(packet + at, 0);
	sum = 0xffff - naive_sum(naive_pseudo(packet, bytes), packet + ip, bytes - ip);
	put16(packet + at, sum == 0 && protocol_of(packet) == IPPROTO_UDP ? 0xffff : sum);
}

static inline void naive_finish_ipv4(uint8_t *packet)
{
	put16(packet + 10, 0);
	put16(packet + 10, 0xffff - naive_sum(0, packet, ip_bytes_of(packet)));
}

/* Writes all lengths and checksums. */
static inline void naive_finish(uint8_t *packet, size_t bytes)
{
	size_t ip = ip_bytes_of(packet);

	if (packet[0] >> 4 == 6) {
		put16(packet + 4, bytes - 40);
	} else {
		put16(packet + 2, bytes);
		naive_finish_ipv4(packet);
	}
	if (protocol_of(packet) == IPPROTO_UDP)
		put16(packet + ip + 4, bytes - ip);
	naive_finish_transport(packet, bytes);
}

/* Packet `index` of those that a network card would make of `whole`. */
static inline struct packet naive_segment(struct packet whole, size_t segment_bytes, size_t index)
{
	size_t header = header_bytes_of(whole.at), ip = ip_bytes_of(whole.at);
	size_t from = header + index * segment_bytes;
	bool is_last = from + segment_bytes >= whole.bytes;
	size_t payload = is_last ? whole.bytes - from : segment_bytes;
	struct packet out = {malloc(header + payload), header + payload};

	memcpy(out.at, whole.at, header);
	memcpy(out.at + header, whole.at + from, payload);
	if (out.at[0] >> 4 == 4)
		put16(out.at + 4, get16(out.at + 4) + index);
	if (protocol_of(out.at) == IPPROTO_TCP) {
		put32(out.at + ip + 4, (uint32_t)(get32(out.at + ip + 4) + index * segment_bytes));
		if (index > 0)
			out.at[ip + 13] &= 0x7f; /* CWR */
		if (!is_last)
			out.at[ip + 13] &= 0xf6; /* FIN, PSH */
	}
	naive_finish(out.at, out.bytes);
	return out;
}

static inline size_t make_ip(const struct recipe *recipe, uint8_t *at)
{
	if (recipe->version == 6) {
		put32(at, 6u << 28 | (uint32_t)recipe->traffic_class << 20 | recipe->flow_label);
		at[6] = recipe->protocol;
		at[7] = recipe->ip_ttl;
		memcpy(at + 8, recipe->source, 16);
		memcpy(at + 24, recipe->destination, 16);
		return 40;
	}
	at[0] = (uint8_t)(0x45 + recipe->ip_option_words);
	at[1] = recipe->traffic_class;
	put16(at + 4, recipe->id);
	put16(at + 6, recipe->fragment);
	at[8] = recipe->ip_ttl;
	at[9] = recipe->protocol;
	memcpy(at + 12, recipe->source, 4);
	memcpy(at + 16, recipe->destination, 4);
	memset(at + 20, recipe->option_byte, recipe->ip_option_words * 4);
	return 20 + recipe->ip_option_words * 4;
}

static inline size_t make_transport(const struct recipe *recipe, uint8_t *at)
{
	put16(at, recipe->ports[0]);
	put16(at + 2, recipe->ports[1]);
	if (recipe->protocol == IPPROTO_UDP)
		return 8;
	put32(at + 4, recipe->sequence);
	put32(at + 8, recipe->ack);
	at[12] = (uint8_t)((5 + recipe->tcp_option_words) << 4 | recipe->reserved);
	at[13] = recipe->flags;
	put16(at + 14, recipe->window);
	put16(at + 18, recipe->urgent);
	memset(at + 20, recipe->option_byte, recipe->tcp_option_words * 4);
	return 20 + recipe->tcp_option_words * 4;
}

/* With payload at random and everything right. */
static inline struct packet make_packet(const struct recipe *recipe, uint64_t *seed)
{
	uint8_t headers[120] = {0};
	size_t header = make_ip(recipe, headers);
	struct packet packet;

	header += make_transport(recipe, headers + header);
	packet.bytes = header + recipe->payload_bytes;
	packet.at = malloc(packet.bytes);
	memcpy(packet.at, headers, header);
	for (size_t i = header; i < packet.bytes; i++)
		packet.at[i] = (uint8_t)next_random(seed);
	naive_finish(packet.at, packet.bytes);
	return packet;
}

/* Any flow, any numbers; TCP with ACK alone. */
static inline struct recipe random_recipe(uint64_t *seed, size_t payload_bytes)
{
	struct recipe recipe = {
	    .version = below(seed, 2) ? 4 : 6,
	    .protocol = below(seed, 2) ? IPPROTO_TCP : IPPROTO_UDP,
	    .traffic_class = (uint8_t)next_random(seed),
	    .ip_ttl = (uint8_t)(1 + below(seed, 255)),
	    .flow_label = (uint32_t)below(seed, 1 << 20),
	    .id = (uint16_t)next_random(seed),
	    .fragment = below(seed, 2) ? 0x4000 : 0,
	    .ip_option_words = below(seed, 3) ? 0 : below(seed, 11),
	    .ports = {(uint16_t)next_random(seed), (uint16_t)next_random(seed)},
	    .sequence = (uint32_t)next_random(seed),
	    .ack = (uint32_t)next_random(seed),
	    .flags = 0x10,
	    .window = (uint16_t)next_random(seed),
	    .tcp_option_words = below(seed, 2) ? 3 : below(seed, 11),
	    .option_byte = (uint8_t)next_random(seed),
	    .payload_bytes = payload_bytes,
	};
	static const uint8_t prefix[2][4] = {{10, 244, 1, 0}, {10, 244, 2, 0}};
	static const uint8_t prefix6[4] = {0x20, 0x01, 0x0d, 0xb8};
	bool is_ipv4 = recipe.version == 4;

	memcpy(recipe.source, is_ipv4 ? prefix[0] : prefix6, 4);
	memcpy(recipe.destination, is_ipv4 ? prefix[1] : prefix6, 4);
	for (size_t i = is_ipv4 ? 3 : 4; i < (is_ipv4 ? 4 : 16); i++) {
		recipe.source[i] = (uint8_t)next_random(seed);
		recipe.destination[i] = (uint8_t)next_random(seed);
	}
	return recipe;
}

#endif
