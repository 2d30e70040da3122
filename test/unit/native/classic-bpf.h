/*
 * A small interpreter of classic BPF (Linux, Documentation/networking/filter.rst): what
 * native/engine/stranger_filter.c writes and no more. Anything else ends the test.
 */
#ifndef TWILL_CLASSIC_BPF_H
#define TWILL_CLASSIC_BPF_H

#include <linux/filter.h>
#include <stdint.h>

#include "c-test.h"

/* The rules of bpf_check_classic() in net/core/filter.c that programs like ours could break. */
static inline void expect_valid(const struct sock_filter *program, size_t length)
{
	EXPECT(length >= 1 && length <= BPF_MAXINSNS, 1);
	EXPECT(BPF_CLASS(program[length - 1].code), BPF_RET);
	for (size_t at = 0; at < length; at++) {
		const struct sock_filter *i = &program[at];

		if (i->code == (BPF_JMP | BPF_JA))
			EXPECT(i->k < length - at - 1, 1);
		else if (BPF_CLASS(i->code) == BPF_JMP)
			EXPECT(at + i->jt + 1 < length && at + i->jf + 1 < length, 1);
	}
}

/* Reads `size` bytes of the IP packet; `offset` is from SKF_NET_OFF. */
static inline uint32_t load(const uint8_t *packet, size_t bytes, uint32_t offset, size_t size)
{
	size_t at = offset - (uint32_t)SKF_NET_OFF;
	uint32_t value = 0;

	EXPECT(at + size <= bytes, 1);
	for (size_t i = 0; i < size; i++)
		value = value << 8 | packet[at + i];
	return value;
}

static inline uint32_t run_program(const struct sock_filter *program, const uint8_t *packet,
				   size_t bytes)
{
	uint32_t a = 0, x = 0;

	for (const struct sock_filter *i = program;; i++) {
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = load(packet, bytes, i->k, 4);
			break;
		case BPF_LD | BPF_H | BPF_IND:
			a = load(packet, bytes, x + i->k, 2);
			break;
		case BPF_LDX | BPF_B | BPF_MSH:
			x = 4 * (load(packet, bytes, i->k, 1) & 0xf);
			break;
		case BPF_MISC | BPF_TAX:
			x = a;
			break;
		case BPF_ALU | BPF_ADD | BPF_X:
			a += x;
			break;
		case BPF_ALU | BPF_SUB | BPF_K:
			a -= i->k;
			break;
		case BPF_ALU | BPF_MUL | BPF_K:
			a *= i->k;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			a >>= i->k;
			break;
		case BPF_JMP | BPF_JA:
			i += i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			i += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			i += a > i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_RET | BPF_A:
			return a;
		default:
			EXPECT(i->code, -1);
		}
	}
}

/* What the program says of a datagram from there, under an IPv4 header of 5 to 15 words. */
static inline uint32_t run_on_udp(const struct sock_filter *program, uint32_t source, uint16_t port,
				  uint8_t header_words)
{
	uint8_t packet[60 + 8] = {(uint8_t)(0x40 | header_words)};
	uint8_t *udp = packet + 4 * header_words;

	for (int i = 0; i < 4; i++)
		packet[12 + i] = (uint8_t)(source >> (24 - 8 * i));
	udp[0] = (uint8_t)(port >> 8);
	udp[1] = (uint8_t)port;
	return run_program(program, packet, 4u * header_words + 8);
}

#endif
