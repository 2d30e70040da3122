#include "engine/stranger_filter.h"

#include <stdbool.h>
#include <string.h>

/*
 * The program searches the ranges as a binary search would, written out:
 *
 *	ld [source address]
 *	sub #first of the lowest range          all that follows is relative to it
 *	jge first of the upper half, UPPER      inner node; falls through to the lower half
 *	...
 *	jgt last of the one range left, STRANGER, PEER
 *	...
 * UPPER:
 *	...
 * STRANGER:
 *	ret #stranger_socket
 * PEER:
 *	ret #0, or of several sockets the one for this flow
 *
 * Jumps go forward only, and conditional ones over at most 255 instructions. So it is written
 * from its end to its start: then it is known where a jump goes and how far that is.
 *
 * Relative to the lowest, an address below it is one above all others, so nothing has to be
 * compared with it. And numbers stay below 2^31 wherever nodes are near each other: a comparison
 * with a greater one becomes two instructions in the kernel (bpf_convert_filter()).
 */

#define OUTER_SOURCE (SKF_NET_OFF + 12) /* in the IPv4 header (RFC 791 section 3.1) */
#define CONDITIONAL_REACH 255		/* jt and jf have 8 bits */

/* Instructions are numbered from the last, 0: a jump from b to a passes over b - a - 1. */
struct writer {
	struct sock_filter *out;
	size_t room;
	size_t count;  /* written so far; those that `room` did not hold were only counted */
	uint32_t base; /* first of the lowest range */
	/* What every leaf jumps to, and the newest `ja` that goes there. */
	struct target {
		size_t end, near;
	} peer, stranger;
};

static size_t put(struct writer *w, struct sock_filter instruction)
{
	if (w->count < w->room)
		w->out[w->room - 1 - w->count] = instruction;
	return w->count++;
}

static size_t put_plain(struct writer *w, unsigned code, uint32_t k)
{
	return put(w, (struct sock_filter)BPF_STMT((uint16_t)code, k));
}

/* Numbers to jump to; the next instruction is `w->count - 1`. */
static void put_jump(struct writer *w, unsigned comparison, uint32_t k, size_t yes, size_t no)
{
	uint8_t jt = (uint8_t)(w->count - yes - 1), jf = (uint8_t)(w->count - no - 1);

	put(w, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | comparison | BPF_K), k, jt, jf));
}

static size_t put_ja(struct writer *w, size_t to)
{
	return put_plain(w, BPF_JMP | BPF_JA, (uint32_t)(w->count - to - 1));
}

static bool is_in_reach(const struct writer *w, size_t to, size_t instructions_between)
{
	return w->count + instructions_between - to - 1 <= CONDITIONAL_REACH;
}

/* Makes sure that the next few instructions can jump to the target. */
static void bring_near(struct writer *w, struct target *target)
{
	if (!is_in_reach(w, target->near, 4))
		target->near = put_ja(w, target->end);
}

/*
 * Fibonacci hash of address + port, as in fwd_table.c, scaled to the number of sockets: hosts and
 * ports that follow each other are spread evenly. A remainder would not do, the multiplier has
 * small divisors. The port lies behind the IPv4 header and its options; for all three ways of
 * loading, the kernel takes offsets from the network header (tried on 6.18). Its own flow hash
 * (SKF_AD_RXHASH) is 0 unless the network card or somebody before us asked for it.
 */
static void put_choice(struct writer *w, uint32_t peer_sockets)
{
	if (peer_sockets == 1) {
		put_plain(w, BPF_RET | BPF_K, 0);
		return;
	}
	put_plain(w, BPF_RET | BPF_A, 0);
	put_plain(w, BPF_ALU | BPF_RSH | BPF_K, 16);
	put_plain(w, BPF_ALU | BPF_MUL | BPF_K, peer_sockets);
	put_plain(w, BPF_ALU | BPF_RSH | BPF_K, 16);
	put_plain(w, BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1);
	put_plain(w, BPF_ALU | BPF_ADD | BPF_X, 0);
	put_plain(w, BPF_LD | BPF_W | BPF_ABS, (uint32_t)OUTER_SOURCE);
	put_plain(w, BPF_MISC | BPF_TAX, 0);
	put_plain(w, BPF_LD | BPF_H | BPF_IND, (uint32_t)SKF_NET_OFF);
	put_plain(w, BPF_LDX | BPF_B | BPF_MSH, (uint32_t)SKF_NET_OFF);
}

/* One range. The `jge` on the way here let nothing pass that is below its first. */
static void put_leaf(struct writer *w, const struct address_range *range)
{
	bring_near(w, &w->peer);
	bring_near(w, &w->stranger);
	put_jump(w, BPF_JGT, range->last - w->base, w->stranger.near, w->peer.near);
}

static void put_search(struct writer *w, const struct address_range *ranges, size_t count)
{
	size_t half = count / 2, upper, lower;

	if (count == 1) {
		put_leaf(w, ranges);
		return;
	}
	put_search(w, ranges + half, count - half);
	upper = w->count - 1;
	put_search(w, ranges, half);
	lower = w->count - 1;
	if (!is_in_reach(w, upper, 0))
		upper = put_ja(w, upper);
	put_jump(w, BPF_JGE, ranges[half].first - w->base, upper, lower);
}

/* Returns the number of instructions; the program is in `out` when there is room for all. */
static size_t write_program(struct sock_filter *out, size_t room,
			    const struct address_range *ranges, size_t count, uint32_t peer_sockets,
			    uint32_t stranger_socket)
{
	struct writer w = {.out = out, .room = room};

	if (count > 0) {
		put_choice(&w, peer_sockets);
		w.peer.end = w.peer.near = w.count - 1;
	}
	put_plain(&w, BPF_RET | BPF_K, stranger_socket);
	w.stranger.end = w.stranger.near = w.count - 1;
	if (count > 0) {
		w.base = ranges[0].first;
		put_search(&w, ranges, count);
		put_plain(&w, BPF_ALU | BPF_SUB | BPF_K, w.base);
		put_plain(&w, BPF_LD | BPF_W | BPF_ABS, (uint32_t)OUTER_SOURCE);
	}
	if (w.count <= room)
		memmove(out, out + (room - w.count), w.count * sizeof(*out));
	return w.count;
}

/* Addresses without a gap between them are one range: that costs no exactness. */
static size_t to_ranges(const uint32_t *addresses, size_t count, struct address_range *ranges)
{
	size_t made = 0;

	for (size_t i = 0; i < count; i++) {
		if (made > 0 && addresses[i] - ranges[made - 1].last == 1)
			ranges[made - 1].last = addresses[i];
		else
			ranges[made++] = (struct address_range){addresses[i], addresses[i]};
	}
	return made;
}

static uint32_t gap_below(const struct address_range *range)
{
	return range->first - range[-1].last;
}

static size_t count_wider_gaps(const struct address_range *ranges, size_t count, uint32_t gap)
{
	size_t wider = 0;

	for (size_t i = 1; i < count; i++)
		wider += gap_below(&ranges[i]) > gap;
	return wider;
}

/* Joins ranges over the narrowest gaps until `wanted` are left, 1 or more and fewer than `count`.
 */
static size_t join_nearest(struct address_range *ranges, size_t count, size_t wanted)
{
	uint32_t low = 0, high = UINT32_MAX;
	size_t made = 1, spare;

	while (low < high) { /* the narrowest gap that so few are wider than */
		uint32_t middle = low + (high - low) / 2;

		if (count_wider_gaps(ranges, count, middle) < wanted)
			high = middle;
		else
			low = middle + 1;
	}
	spare = wanted - 1 - count_wider_gaps(ranges, count, low); /* gaps of that width to keep */
	for (size_t i = 1; i < count; i++) {
		uint32_t gap = ranges[i].first - ranges[made - 1].last;

		if (gap > low || (gap == low && spare > 0)) {
			spare -= gap == low;
			ranges[made++] = ranges[i];
		} else {
			ranges[made - 1].last = ranges[i].last;
		}
	}
	return made;
}

size_t stranger_filter_write(struct sock_filter *out, size_t max_instructions,
			     const uint32_t *addresses, size_t count, struct address_range *ranges,
			     uint32_t peer_sockets, uint32_t stranger_socket)
{
	size_t range_count = to_ranges(addresses, count, ranges), size;

	if (range_count > max_instructions / 2) /* each takes two, if not more */
		range_count = join_nearest(ranges, range_count, max_instructions / 2);
	for (;;) {
		size = write_program(out, max_instructions, ranges, range_count, peer_sockets,
				     stranger_socket);
		if (size <= max_instructions)
			return size;
		/* A range less is two or three instructions less, so this ends at the most that
		 * fit. */
		range_count = join_nearest(ranges, range_count,
					   range_count - (size - max_instructions + 2) / 3);
	}
}
