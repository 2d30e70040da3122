/* The kernel's notifications of changed network state. */
#ifndef TWILL_NETLINK_EVENTS_H
#define TWILL_NETLINK_EVENTS_H

#include "os/netlink_parse.h"

/*
 * Open a socket that is told of every change of a link, IPv4 address, IPv4 route, neighbour or
 * FDB entry (netlink_events_open_route), or of nftables' rule sets (_open_firewall: needs
 * CAP_NET_ADMIN), in the network namespace of the caller. Non-blocking, close-on-exec; the
 * caller owns it. `receive_buffer_bytes` is as for a UDP socket: with CAP_NET_ADMIN the host's
 * limit does not hold, and 0 leaves the host's default. Returns it or a negative errno.
 */
int netlink_events_open_route(int receive_buffer_bytes);
int netlink_events_open_firewall(int receive_buffer_bytes);

/*
 * Read what is waiting, up to 256 datagrams or 1 MiB, and return the bits of enum netlink_change
 * that it stands for: 0 when nothing matters. What is left is for the next call. A descriptor
 * that is broken gives a negative errno.
 *
 * The socket is readable again at once after NETLINK_CHANGE_OVERFLOW, but a poll() that saw the
 * loss saw POLLERR, at which libuv gives up a watch.
 */
int netlink_events_read(int fd, const struct netlink_interest *interest);

#endif
