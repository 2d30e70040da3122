#include "os/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "os/tun_queues.h"

/* Debian 12's <linux/if_tun.h> is of kernel 6.1. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define TCP_OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define UDP_OFFLOADS (TUN_F_USO4 | TUN_F_USO6)

static int set_flag(int fd, unsigned long request, unsigned long value)
{
	return ioctl(fd, request, value) < 0 ? -errno : 0;
}

static int set_int(int fd, unsigned long request, int value)
{
	return ioctl(fd, request, &value) < 0 ? -errno : 0;
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

/* One queue more. Returns its descriptor or a negative errno. */
static int attach(struct ifreq ifr)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int ret;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	ret = -errno; /* close() may change errno */
	close(fd);
	return ret;
}

/*
 * The first queue, and the device with it. To a device for several queues the kernel lets
 * everybody attach; whoever comes second would take packets from the first. Looked at before,
 * so as to take none, and after, when of two that come at once neither stays.
 */
static int attach_first(struct ifreq ifr)
{
	int queues = tun_count_queues(ifr.ifr_name);
	int fd;

	if (queues != 0)
		return queues < 0 ? queues : -EBUSY;
	fd = attach(ifr);
	if (fd < 0 || !(ifr.ifr_flags & IFF_MULTI_QUEUE))
		return fd;
	queues = tun_count_queues(ifr.ifr_name);
	if (queues == 1)
		return fd;
	close(fd);
	return queues < 0 ? queues : -EBUSY;
}

/*
 * A persistent device remembers the offloads of the process before us. Left on without a header,
 * the kernel would hand us 64 KiB segments and half-made checksums with nothing to tell so.
 */
static int set_no_offloads(int fd)
{
	return set_flag(fd, TUNSETOFFLOAD, 0);
}

/* Returns the bits of tun.h. What the kernel does not know it refuses as a whole. */
static int set_offloads(int fd)
{
	int ret = set_int(fd, TUNSETVNETHDRSZ, (int)sizeof(struct virtio_net_hdr));

	if (ret == 0)
		ret = set_int(fd, TUNSETVNETLE, 1);
	if (ret == 0 && set_flag(fd, TUNSETOFFLOAD, TCP_OFFLOADS | UDP_OFFLOADS) == 0)
		return TUN_HAS_VNET_HEADER | TUN_TAKES_UDP_RUNS;
	if (ret == 0)
		ret = set_flag(fd, TUNSETOFFLOAD, TCP_OFFLOADS);
	return ret < 0 ? ret : TUN_HAS_VNET_HEADER;
}

/*
 * A device without an owner takes any local user who can open /dev/net/tun. One that outlives us
 * would let them read and forge the packets of its containers until we are back.
 */
static int own_device(int fd)
{
	return set_flag(fd, TUNSETOWNER, geteuid());
}

/* Opens every queue or none. Returns the bits of tun.h or a negative errno. */
static int open_queues(struct ifreq ifr, int *fds, size_t count)
{
	size_t opened = 0;
	int ret, bits = 0;

	ret = attach_first(ifr);
	if (ret < 0)
		return ret;
	fds[opened++] = ret;
	ret = own_device(fds[0]);
	if (ret == 0)
		ret = bits =
		    ifr.ifr_flags & IFF_VNET_HDR ? set_offloads(fds[0]) : set_no_offloads(fds[0]);
	while (ret >= 0 && opened < count) {
		ret = attach(ifr);
		if (ret >= 0)
			fds[opened++] = ret;
	}
	if (ret >= 0)
		return bits;
	close_all(fds, opened);
	return ret;
}

int tun_open(const char *name, bool wants_offloads, int *fds, size_t count)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	size_t len = strlen(name);
	int ret = -EINVAL;

	/* The kernel reads '%' as a template, "tun%d", and would make a device of another name. */
	if (len == 0 || len >= sizeof(ifr.ifr_name) || strchr(name, '%') != NULL || count == 0)
		return -EINVAL;
	memcpy(ifr.ifr_name, name, len);
	if (count > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	if (wants_offloads) {
		struct ifreq with_header = ifr;

		with_header.ifr_flags |= IFF_VNET_HDR;
		ret = open_queues(with_header, fds, count);
	}
	/* -EINVAL: an offload that the kernel does not know, or a device of another kind, again. */
	return ret == -EINVAL ? open_queues(ifr, fds, count) : ret;
}

int tun_set_persistent(int fd, bool is_persistent)
{
	return set_flag(fd, TUNSETPERSIST, is_persistent ? 1UL : 0UL);
}
