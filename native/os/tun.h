/* TUN devices: open, keep, let go. */
#ifndef TWILL_TUN_H
#define TWILL_TUN_H

#include <stdbool.h>
#include <stddef.h>

/* What tun_open() has opened: bits of its result. None of them: bare, complete IP packets. */
#define TUN_HAS_VNET_HEADER \
	1 /* 10 bytes (struct virtio_net_hdr, little-endian) before each packet */
#define TUN_TAKES_UDP_RUNS 2 /* with that header, also for runs of UDP datagrams (kernel 6.2) */

/*
 * Open `count` queues of the TUN device `name` into `fds`, adopting a device that exists and
 * creating it otherwise. The descriptors are non-blocking, close-on-exec and without packet
 * information (IFF_NO_PI); the caller owns them. The device belongs to the effective user: others
 * attach to it with CAP_NET_ADMIN alone. Needs CAP_NET_ADMIN.
 *
 * With `wants_offloads` packets have a virtio-net header, their checksums may be unfinished and
 * one read or write may carry a run of TCP segments; where the kernel has no such offloads, and
 * without the wish, packets are bare and complete. What a process before us left is overwritten.
 *
 * Returns the bits above, or a negative errno with nothing left open: -EBUSY while another
 * process is attached, -EINVAL when the name is not a plain device name or belongs to a device
 * of another kind. A device is made for one queue or for several, and keeps that.
 */
int tun_open(const char *name, bool wants_offloads, int *fds, size_t count);

/*
 * Say whether the device stays when its last descriptor is closed. Returns 0 or a negative errno.
 */
int tun_set_persistent(int fd, bool is_persistent);

#endif
