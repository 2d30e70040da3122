/*
 * Keeps strangers out of the sockets that packet threads read, in the kernel: a classic BPF
 * program (Linux, Documentation/networking/filter.rst) chooses the socket of an SO_REUSEPORT
 * group by the outer source address. Datagrams of peers go to one of the first sockets, by flow;
 * all others to the last one, which drops what it gets. A flood of strangers then costs no queue
 * room, no wake-up and no copy.
 */
#ifndef TWILL_STRANGER_FILTER_H
#define TWILL_STRANGER_FILTER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define STRANGER_FILTER_MAX_INSTRUCTIONS 4096 /* BPF_MAXINSNS */
#define STRANGER_FILTER_MIN_INSTRUCTIONS 16   /* room for one range */

/* Both ends belong to it. */
struct address_range {
	uint32_t first, last;
};

/*
 * Writes a program that returns `stranger_socket` for a source address that is none of
 * `addresses` (host order, ascending, without repeats), else 0 to `peer_sockets` - 1 (of 1 to
 * 65,536), always the same for one pair of source address and source port. More addresses than
 * `max_instructions` have room for become ranges that hold them all: the nearest ones together,
 * so few strangers pass, and the exact check comes later anyway. `ranges` is memory for `count`
 * pairs, and `max_instructions` is STRANGER_FILTER_MIN_INSTRUCTIONS or more.
 * Returns the number of instructions, at least 1.
 *
 * An address that has no neighbour takes 2.02 of them. The kernel (net/core/filter.c) answers
 * EINVAL to more than 4,096, and ENOMEM when its translation, of about 1.5 times as many, is
 * longer than net.core.optmem_max: 4,096 (2,023 such addresses) are taken with 131,072 bytes, the
 * default since 6.8, and 1,683 (828 addresses) with 20,480, the default before.
 */
size_t stranger_filter_write(struct sock_filter *out, size_t max_instructions,
			     const uint32_t *addresses, size_t count, struct address_range *ranges,
			     uint32_t peer_sockets, uint32_t stranger_socket);

#endif
