/* TUN devices: open, keep, let go. */
#ifndef TWILL_TUN_H
#define TWILL_TUN_H

#include <stdbool.h>

/*
 * Open the TUN device `name`, adopting one that exists and creating it otherwise. The
 * descriptor is non-blocking, close-on-exec and carries bare IP packets (IFF_NO_PI), each
 * complete and with its checksums in place; the caller owns it. The device belongs to the
 * effective user: others attach to it with CAP_NET_ADMIN alone. Needs CAP_NET_ADMIN.
 * Returns the descriptor, or a negative errno: -EBUSY while another process is attached,
 * -EINVAL when the name is not a plain device name or belongs to another kind of device.
 */
int tun_open(const char *name);

/*
 * Say whether the device stays when its descriptor is closed. Returns 0 or a negative errno.
 */
int tun_set_persistent(int fd, bool is_persistent);

#endif
