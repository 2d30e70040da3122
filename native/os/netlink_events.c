#include "os/netlink_events.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

/* A link has some 2 KiB, a batch of nftables some 8 KiB; what is longer counts as lost. */
#define DATAGRAM_BYTES 32768
/* Of one call, so that a flood leaves the event loop to others; some milliseconds. */
#define MAX_DATAGRAMS 256
#define MAX_BYTES (1u << 20)

#define ROUTE_GROUPS (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_NEIGH)
#define FIREWALL_GROUPS (1u << (NFNLGRP_NFTABLES - 1))

/* Try without the host's limit first, which needs CAP_NET_ADMIN. Returns 0 or -1 with errno. */
static int set_receive_buffer(int fd, int bytes)
{
	if (bytes <= 0)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int open_groups(int protocol, unsigned groups, int receive_buffer_bytes)
{
	struct sockaddr_nl local = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int fd, ret;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -errno;
	if (set_receive_buffer(fd, receive_buffer_bytes) < 0)
		goto fail;
	if (bind(fd, (const struct sockaddr *)&local, sizeof(local)) < 0)
		goto fail;
	return fd;

fail:
	ret = -errno; /* close() may change errno */
	close(fd);
	return ret;
}

int netlink_events_open_route(int receive_buffer_bytes)
{
	return open_groups(NETLINK_ROUTE, ROUTE_GROUPS, receive_buffer_bytes);
}

int netlink_events_open_firewall(int receive_buffer_bytes)
{
	return open_groups(NETLINK_NETFILTER, FIREWALL_GROUPS, receive_buffer_bytes);
}

/*
 * Reads one datagram and adds what it stands for to `changes`. Returns its bytes, 0 when there
 * was none but there may be more, or a negative errno: -EAGAIN when nothing is waiting.
 */
static ssize_t read_datagram(int fd, const struct netlink_interest *interest, int *changes)
{
	uint8_t bytes[DATAGRAM_BYTES];
	struct sockaddr_nl from = {.nl_pid = 0};
	struct iovec vector = {bytes, sizeof(bytes)};
	struct msghdr message = {
	    .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &vector, .msg_iovlen = 1};
	ssize_t size = recvmsg(fd, &message, 0);

	if (size < 0 && errno == ENOBUFS) {
		*changes |= NETLINK_CHANGE_OVERFLOW;
		return 0;
	}
	if (size < 0)
		return errno == EINTR ? 0 : -errno;
	if (from.nl_pid != 0)
		return size; /* the kernel's is 0 */
	if (message.msg_flags & MSG_TRUNC)
		*changes |= NETLINK_CHANGE_OVERFLOW;
	*changes |= (int)netlink_parse(bytes, (size_t)size, interest);
	return size;
}

int netlink_events_read(int fd, const struct netlink_interest *interest)
{
	size_t sum = 0;
	int changes = 0;

	for (int i = 0; i < MAX_DATAGRAMS && sum < MAX_BYTES; i++) {
		ssize_t size = read_datagram(fd, interest, &changes);

		if (size == -EAGAIN)
			break;
		if (size < 0)
			return (int)size;
		sum += (size_t)size;
	}
	return changes;
}
