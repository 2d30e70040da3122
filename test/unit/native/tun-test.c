/*
 * Facts about native/os/tun.c that need no root: what it asks of kernels of several ages, which
 * ioctl() below stands for. test/netns/tun.test.ts has the others, on a real kernel.
 */
#include "os/tun.h"
#include "os/tun_queues.h"

#include "c-test.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TCP_OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define UDP_OFFLOADS 0x60UL /* TUN_F_USO4 | TUN_F_USO6, kernel 6.2 */
#define UNSET 0xffffffffUL
#define FLAGS_WITHOUT_HEADER (IFF_TUN | IFF_NO_PI)

/* The kernel: what it knows, and what was asked of it last. */
static struct kernel {
	unsigned long known_offloads;
	int queues_for_others;	/* attached already; those of a device for several queues */
	int attach_fails_after; /* that many; 0: never */
	int late_queues;	/* of others, who attach when we do */
	int attached, descriptors;
	bool is_attached[64]; /* by descriptor */
	int flags;
	unsigned long offloads, owner;
	int header_bytes, is_little_endian;
} kernel;

static void boot(unsigned long known_offloads)
{
	kernel = (struct kernel){.known_offloads = known_offloads,
				 .offloads = UNSET,
				 .owner = UNSET,
				 .header_bytes = -1,
				 .is_little_endian = -1};
}

/* Stands for native/os/tun_queues.c. */
int tun_count_queues(const char *name)
{
	(void)name;
	return kernel.queues_for_others + kernel.attached;
}

static int attach(int fd, const struct ifreq *ifr)
{
	if (kernel.attach_fails_after > 0 && kernel.attached == kernel.attach_fails_after)
		return ENOMEM;
	kernel.queues_for_others += kernel.late_queues;
	kernel.is_attached[fd] = true;
	kernel.attached++;
	kernel.flags = ifr->ifr_flags;
	return 0;
}

static int set_offloads(unsigned long offloads)
{
	if ((offloads & ~kernel.known_offloads) != 0)
		return EINVAL;
	kernel.offloads = offloads;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	unsigned long value;

	va_start(arguments, request);
	value = va_arg(arguments, unsigned long);
	va_end(arguments);
	errno = 0;
	switch (request) {
	case TUNSETIFF:
		errno = attach(fd, (const struct ifreq *)value);
		break;
	case TUNSETOFFLOAD:
		errno = set_offloads(value);
		break;
	case TUNSETOWNER:
		kernel.owner = value;
		break;
	case TUNSETVNETHDRSZ:
		kernel.header_bytes = *(const int *)value;
		break;
	case TUNSETVNETLE:
		kernel.is_little_endian = *(const int *)value;
		break;
	default:
		errno = EBADF;
	}
	return errno == 0 ? 0 : -1;
}

/* /dev/net/tun needs root, and may not be there. */
int open(const char *path, int flags, ...)
{
	EXPECT(strcmp(path, "/dev/net/tun"), 0);
	kernel.descriptors++;
	return (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", flags);
}

int close(int fd)
{
	kernel.descriptors--;
	if (kernel.is_attached[fd])
		kernel.attached--;
	kernel.is_attached[fd] = false;
	return (int)syscall(SYS_close, fd);
}

static void refuses_names_the_kernel_would_change(void)
{
	int fd;

	boot(TCP_OFFLOADS);
	EXPECT(tun_open("", false, &fd, 1), -EINVAL);
	EXPECT(tun_open("tun%d", false, &fd, 1), -EINVAL);
	EXPECT(tun_open("sixteen-letters-", true, &fd, 1), -EINVAL);
	EXPECT(tun_open("tw0", true, &fd, 0), -EINVAL);
	EXPECT(kernel.descriptors, 0);
	EXPECT(tun_set_persistent(-1, true), -EBADF);
}

static void takes_every_offload_of_kernel_6_2(void)
{
	int fd;

	boot(TCP_OFFLOADS | UDP_OFFLOADS);
	EXPECT(tun_open("tw0", true, &fd, 1), TUN_HAS_VNET_HEADER | TUN_TAKES_UDP_RUNS);
	expect_plain_fd(fd);
	EXPECT(kernel.flags, FLAGS_WITHOUT_HEADER | IFF_VNET_HDR);
	EXPECT(kernel.offloads, TCP_OFFLOADS | UDP_OFFLOADS);
	EXPECT(kernel.header_bytes, 10);
	EXPECT(kernel.is_little_endian, 1);
	EXPECT(kernel.owner, geteuid());
}

static void goes_without_udp_runs_on_an_older_kernel(void)
{
	int fd;

	boot(TCP_OFFLOADS);
	EXPECT(tun_open("tw0", true, &fd, 1), TUN_HAS_VNET_HEADER);
	EXPECT(kernel.offloads, TCP_OFFLOADS);
	EXPECT(kernel.flags, FLAGS_WITHOUT_HEADER | IFF_VNET_HDR);
}

static void goes_without_a_header_where_there_are_no_offloads(void)
{
	int fds[2];

	boot(TUN_F_CSUM);
	EXPECT(tun_open("tw0", true, fds, 2), 0);
	EXPECT(kernel.flags, FLAGS_WITHOUT_HEADER | IFF_MULTI_QUEUE);
	EXPECT(kernel.offloads, 0);
	EXPECT(kernel.attached, 2);
}

static void says_that_offloads_are_off_when_they_are_not_wanted(void)
{
	int fd;

	boot(TCP_OFFLOADS | UDP_OFFLOADS);
	EXPECT(tun_open("tw0", false, &fd, 1), 0);
	EXPECT(kernel.flags, FLAGS_WITHOUT_HEADER);
	EXPECT(kernel.offloads, 0);
}

static void opens_every_queue_or_none(void)
{
	int fds[16];

	boot(TCP_OFFLOADS);
	EXPECT(tun_open("tw0", true, fds, 16), TUN_HAS_VNET_HEADER);
	EXPECT(kernel.attached, 16);
	EXPECT(kernel.flags, FLAGS_WITHOUT_HEADER | IFF_VNET_HDR | IFF_MULTI_QUEUE);
	expect_plain_fd(fds[15]);

	boot(TCP_OFFLOADS);
	kernel.attach_fails_after = 3;
	EXPECT(tun_open("tw0", true, fds, 16), -ENOMEM);
	EXPECT(kernel.descriptors, 0);
}

static void leaves_a_device_alone_that_others_are_attached_to(void)
{
	int fds[2];

	boot(TCP_OFFLOADS);
	kernel.queues_for_others = 1;
	EXPECT(tun_open("tw0", true, fds, 2), -EBUSY);
	EXPECT(tun_open("tw0", true, fds, 1), -EBUSY);
	EXPECT(kernel.descriptors, 0);
	EXPECT(kernel.offloads, UNSET);
}

static void goes_when_another_comes_at_the_same_time(void)
{
	int fds[2];

	boot(TCP_OFFLOADS);
	kernel.late_queues = 2;
	EXPECT(tun_open("tw0", true, fds, 2), -EBUSY);
	EXPECT(kernel.descriptors, 0);
	EXPECT(kernel.offloads, UNSET);
}

static const struct test_case cases[] = {
    CASE(refuses_names_the_kernel_would_change),
    CASE(takes_every_offload_of_kernel_6_2),
    CASE(goes_without_udp_runs_on_an_older_kernel),
    CASE(goes_without_a_header_where_there_are_no_offloads),
    CASE(says_that_offloads_are_off_when_they_are_not_wanted),
    CASE(opens_every_queue_or_none),
    CASE(leaves_a_device_alone_that_others_are_attached_to),
    CASE(goes_when_another_comes_at_the_same_time),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
