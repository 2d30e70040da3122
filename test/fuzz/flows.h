/* Packets of a few flows, made by operations that the input of merge.c spells out. */
#ifndef TWILL_FUZZ_FLOWS_H
#define TWILL_FUZZ_FLOWS_H

#include "fuzz.h"
#include "slow-cut.h"

#include "packet/inner.h"

#define FLOWS 8
#define MAX_HEADER 72

#define ICMP 1

/* What an operation says besides its flow. */
#define FLOW(what) ((what) % FLOWS)
#define PSH 0x08u
#define SKIPS_ID 0x10u
#define BAD_CHECKSUM 0x20u
#define SAME_SEQUENCE 0x40u /* as the next one of the flow */
#define MUTATES 0x80u

/* Upper bits of the place of a mutation; see mend_upper() and mend_ip(). */
#define PLACE(at) ((at) % 0x40)
#define ODD_ZERO 0x80u
#define ODD_ZERO_IP 0x40u

struct flow {
	uint8_t header[MAX_HEADER];
	size_t ip, header_bytes;
	unsigned protocol;
	uint32_t sequence;
	uint16_t id;
};

struct operation {
	uint8_t what, at, change;
	size_t payload;
};

static inline struct operation take_operation(struct input *input)
{
	struct operation operation = {.what = take_u8(input), .payload = take_u8(input)};

	if (operation.what & MUTATES) {
		operation.at = take_u8(input);
		operation.change = take_u8(input);
	}
	return operation;
}

static inline void make_flow(struct flow *flow, unsigned number, size_t ip, unsigned protocol,
			     size_t upper)
{
	static const uint8_t timestamps[12] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
	uint8_t *h = flow->header;

	*flow = (struct flow){.ip = ip, .header_bytes = ip + upper, .protocol = protocol};
	flow->sequence = 0xffffff00u; /* both soon pass zero */
	flow->id = 0xfff8;
	if (ip < 40) {
		h[0] = (uint8_t)(0x40 + ip / 4);
		h[6] = 0x40; /* DF */
		h[8] = 63;
		h[9] = (uint8_t)protocol;
		memcpy(h + 12, (uint8_t[]){10, 244, 2, 7, 10, 244, 1, 5}, 8);
		memset(h + 20, 1, ip - 20); /* no-operation options */
	} else {
		h[0] = 0x60;
		h[6] = (uint8_t)protocol;
		h[7] = 63;
		memcpy(h + 8, (uint8_t[]){0x20, 1, 0x0d, 0xb8, 0, 2}, 6);
		memcpy(h + 24, (uint8_t[]){0x20, 1, 0x0d, 0xb8, 0, 1}, 6);
	}
	slow_put_u16(h + ip, 40000 + number);
	slow_put_u16(h + ip + 2, 5201);
	if (protocol == TCP) {
		h[ip + 12] = (uint8_t)(upper / 4 * 16);
		h[ip + 13] = 0x10; /* ACK */
		slow_put_u16(h + ip + 14, 501);
		memcpy(h + ip + 20, timestamps, upper - 20);
	}
}

/* Between the same and between other hosts, with options and without, and one without ports. */
static inline void make_flows(struct flow flows[FLOWS])
{
	make_flow(&flows[0], 0, 20, TCP, 32);
	make_flow(&flows[1], 1, 20, TCP, 20);
	make_flow(&flows[2], 2, 20, UDP, 8);
	make_flow(&flows[3], 3, 40, TCP, 32);
	make_flow(&flows[4], 4, 40, UDP, 8);
	make_flow(&flows[5], 5, 24, TCP, 20);
	make_flow(&flows[6], 6, 20, ICMP, 8);
	make_flow(&flows[7], 7, 20, UDP, 8);
	flows[7].header[15] = 8; /* another host */
}

/*
 * One's complement has two zeros, so a checksum of 0 may as well be written as 0xffff; but only
 * for UDP would a cut write it so. Both of these can make such a packet: with a fitting payload, or
 * with a fitting identification.
 */
static inline void mend_upper(uint8_t *p, size_t ip, size_t length, unsigned protocol,
			      bool is_odd_zero)
{
	size_t field = ip + (protocol == TCP ? 16 : 6), last = ip + (length - ip) / 2 * 2 - 2;

	slow_mend_upper(p, length, ip, protocol, field - ip);
	if (!is_odd_zero || last <= field)
		return;
	slow_put_u16(p + last, (slow_u16(p + last) + slow_u16(p + field)) % 0xffff);
	slow_put_u16(p + field, 0xffff);
}

static inline void mend_ip(uint8_t *p, size_t length, bool is_odd_zero)
{
	slow_mend_if_ipv4(p, length);
	if (!is_odd_zero || p[0] / 16 != 4)
		return;
	slow_put_u16(p + 4, (slow_u16(p + 4) + slow_u16(p + 10)) % 0xffff);
	slow_put_u16(p + 10, 0xffff);
}

/* Writes the headers of the next packet with this payload, but for checksums. */
static inline void write_headers(uint8_t *p, struct flow *flow, const struct operation *operation)
{
	size_t ip = flow->ip, length = flow->header_bytes + operation->payload;
	bool is_ipv4 = ip < 40;

	memcpy(p, flow->header, flow->header_bytes);
	flow->id = (uint16_t)(flow->id + (operation->what & SKIPS_ID ? 2 : 1));
	slow_put_u16(p + (is_ipv4 ? 2 : 4), length - (is_ipv4 ? 0 : 40));
	if (is_ipv4)
		slow_put_u16(p + 4, flow->id);
	if (flow->protocol == UDP)
		slow_put_u16(p + ip + 4, length - ip);
	if (flow->protocol != TCP)
		return;
	write_be32(p + ip + 4, flow->sequence);
	p[ip + 13] |= operation->what & PSH;
	if (!(operation->what & SAME_SEQUENCE))
		flow->sequence += (uint32_t)operation->payload;
}

/*
 * Writes the next packet of a flow to `p`, which has room for header_bytes and the payload. Returns
 * the length that its header says, or 0 when it is not a whole packet.
 */
NOT_TRACED static inline size_t build_packet(uint8_t *p, struct flow *flow,
					     const struct operation *operation, size_t number,
					     struct inner *inner)
{
	size_t length = flow->header_bytes + operation->payload;
	bool mutates = operation->what & MUTATES;

	write_headers(p, flow, operation);
	for (size_t i = flow->header_bytes; i < length; i++)
		p[i] = (uint8_t)(i * 7 + number);
	if (mutates)
		p[PLACE(operation->at) % flow->header_bytes] ^= operation->change;
	mend_ip(p, length, mutates && operation->at & ODD_ZERO_IP);
	if (inner_parse(inner, p, length) != INNER_FAULT_NONE)
		return 0;
	if (inner->version == 4)
		flow->id = (uint16_t)slow_u16(p + 4);
	if (flow->protocol != ICMP && inner->header_bytes == flow->ip &&
	    inner->total_bytes >= flow->header_bytes && !(operation->what & BAD_CHECKSUM))
		mend_upper(p, flow->ip, inner->total_bytes, flow->protocol,
			   mutates && operation->at & ODD_ZERO && operation->payload > 1);
	return inner->total_bytes;
}

#endif
