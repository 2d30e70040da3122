/* Which of the kernel's notifications matter to us. Bytes only: no socket, no system call. */
#ifndef TWILL_NETLINK_PARSE_H
#define TWILL_NETLINK_PARSE_H

#include <stddef.h>
#include <stdint.h>

#define NETLINK_INDEXES 8
#define NETLINK_NAMES 4
#define NETLINK_NAME_BYTES 16 /* IFNAMSIZ */

/* What has changed; src/addon/addon.ts has the same. Not NETLINK_ROUTE: that is a protocol's
 * number. */
enum netlink_change {
	NETLINK_CHANGE_LINK = 1,
	NETLINK_CHANGE_ADDRESS = 2,
	NETLINK_CHANGE_ROUTE = 4,
	NETLINK_CHANGE_NEIGHBOUR = 8,
	NETLINK_CHANGE_FIREWALL = 16,
	NETLINK_CHANGE_OVERFLOW = 32, /* notifications were lost: anything may have changed */
};

/*
 * What is of interest; all zeros: no device and no network. JavaScript writes it as an array of
 * NETLINK_INTEREST_WORDS words (src/kernel/kernel-interest.ts), so its layout is fixed:
 *
 *   0  indexes of devices, 0 for none                      8
 *   8  index of the overlay device, 0 for none             1
 *   9  protocol of our own routes                          1
 *  10  address of the overlay network, in host order       1
 *  11  its mask, in host order; 0: there is no network     1
 *  12  names of devices, 16 bytes each, padded with NUL   16
 */
struct netlink_interest {
	int32_t indexes[NETLINK_INDEXES];
	int32_t device_index;
	int32_t own_protocol;
	uint32_t network;
	uint32_t mask;
	char names[NETLINK_NAMES][NETLINK_NAME_BYTES];
};

#define NETLINK_INTEREST_WORDS 28
_Static_assert(sizeof(struct netlink_interest) == NETLINK_INTEREST_WORDS * 4, "no padding");

/*
 * Reads the messages of one datagram, rtnetlink(7) or nfnetlink, and returns the bits of
 * enum netlink_change that they stand for:
 *
 * - LINK: any message about a device with a watched index (the overlay device's is one) or name.
 * - ADDRESS: an IPv4 address of a device with a watched index came or went.
 * - ROUTE (IPv4, table main): one of ours went; or one of somebody else came or went that
 *   overlaps the network, leaves by a watched index or is a default route.
 * - NEIGHBOUR (of the overlay device): an IPv4 neighbour entry that is permanent came, or any but
 *   NOARP went (the kernel makes and drops those by itself, for multicast and for devices without
 *   ARP); an FDB entry that is not learned came, or any went.
 * - FIREWALL: a transaction of nftables ended.
 *
 * A message or attribute that does not fit what holds it ends the reading there, and a route
 * with such an attribute is ignored. The kernel removes routes without a word when a device goes
 * down or an address goes: LINK and ADDRESS stand for that.
 */
unsigned netlink_parse(const uint8_t *bytes, size_t size, const struct netlink_interest *interest);

#endif
