#include "os/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int tun_open(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	size_t len = strlen(name);
	int fd, ret;

	/* The kernel reads '%' as a template, "tun%d", and would make a device of another name. */
	if (len == 0 || len >= sizeof(ifr.ifr_name) || strchr(name, '%') != NULL)
		return -EINVAL;
	memcpy(ifr.ifr_name, name, len);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		goto fail;
	/*
	 * A device without an owner takes any local user who can open /dev/net/tun. One that
	 * outlives us would let them read and forge the packets of its containers until we are
	 * back.
	 */
	if (ioctl(fd, TUNSETOWNER, (unsigned long)geteuid()) < 0)
		goto fail;
	/*
	 * A persistent device remembers the offloads of the process before us. Left on, the kernel
	 * would hand us 64 KiB segments and half-made checksums without a header to tell so.
	 */
	if (ioctl(fd, TUNSETOFFLOAD, 0UL) < 0)
		goto fail;
	return fd;

fail:
	ret = -errno; /* close() may change errno */
	close(fd);
	return ret;
}

int tun_set_persistent(int fd, bool is_persistent)
{
	return ioctl(fd, TUNSETPERSIST, is_persistent ? 1UL : 0UL) < 0 ? -errno : 0;
}
