/*
 * Facts about native/os/netlink_events.c that need no root. recvmsg() below stands for the
 * kernel, which does not run out of room when a test wants it to; test/netns/kernel-events.test.ts
 * has the others, on a real one.
 */
#include "netlink-messages.h"
#include "os/netlink_events.h"

#include "c-test.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUTE_SOCKET_GROUPS 0x55 /* links, neighbours, IPv4 addresses and routes */

/* What waits at the socket: `left` times the same, or errors first. */
static struct queue {
	struct datagram datagram;
	bool is_too_long, fills_buffer;
	uint32_t sender;
	int left, reads;
	int errors[4]; /* before the datagrams, ended by 0 */
} queue;

static void wait_with(struct datagram datagram, int times)
{
	queue = (struct queue){.datagram = datagram, .left = times};
}

static ssize_t deliver(struct msghdr *message)
{
	const struct datagram *datagram = &queue.datagram;
	const struct iovec *vector = message->msg_iov;
	struct sockaddr_nl from = {.nl_family = AF_NETLINK, .nl_pid = queue.sender};

	EXPECT(datagram->size <= vector->iov_len, 1);
	memcpy(vector->iov_base, datagram->bytes, datagram->size);
	memcpy(message->msg_name, &from, sizeof(from));
	message->msg_flags = queue.is_too_long ? MSG_TRUNC : 0;
	if (!queue.fills_buffer)
		return (ssize_t)datagram->size;
	memset((uint8_t *)vector->iov_base + datagram->size, 0, vector->iov_len - datagram->size);
	return (ssize_t)vector->iov_len;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	(void)fd;
	EXPECT(flags, 0);
	for (size_t i = 0; i < 4; i++) {
		errno = queue.errors[i];
		queue.errors[i] = 0;
		if (errno != 0)
			return -1;
	}
	errno = EAGAIN;
	if (queue.left == 0)
		return -1;
	queue.left--;
	queue.reads++;
	return deliver(message);
}

static void read_adds_up_what_waits(void)
{
	wait_with(link_message(RTM_NEWLINK, UNDERLAY_INDEX, "eth0"), 3);
	EXPECT(netlink_events_read(0, &interest), NETLINK_CHANGE_LINK);
	EXPECT(queue.left, 0);
	EXPECT(netlink_events_read(0, &interest), 0);
	wait_with(link_message(RTM_NEWLINK, OTHER_INDEX, "veth1"), 3);
	EXPECT(netlink_events_read(0, &interest), 0);
	EXPECT(queue.left, 0);
}

static void read_leaves_a_flood_to_later_calls(void)
{
	wait_with(link_message(RTM_NEWLINK, OTHER_INDEX, "veth1"), 1000);
	EXPECT(netlink_events_read(0, &interest), 0);
	EXPECT(queue.reads, 256);
	EXPECT(netlink_events_read(0, &interest), 0);
	EXPECT(queue.reads, 512);
	wait_with(link_message(RTM_NEWLINK, OTHER_INDEX, "veth1"), 1000);
	queue.fills_buffer = true;
	EXPECT(netlink_events_read(0, &interest), 0);
	EXPECT(queue.reads, 1048576 / 32768);
}

static void read_says_what_was_lost_and_goes_on(void)
{
	wait_with(firewall_message(NFT_MSG_NEWGEN), 1);
	queue.errors[0] = EINTR;
	queue.errors[1] = ENOBUFS;
	EXPECT(netlink_events_read(0, &interest),
	       NETLINK_CHANGE_FIREWALL | NETLINK_CHANGE_OVERFLOW);
	EXPECT(netlink_events_read(0, &interest), 0);
}

static void read_takes_a_datagram_that_is_too_long_for_lost(void)
{
	wait_with(link_message(RTM_NEWLINK, OTHER_INDEX, "veth1"), 1);
	queue.is_too_long = true;
	EXPECT(netlink_events_read(0, &interest), NETLINK_CHANGE_OVERFLOW);
}

static void read_listens_to_nobody_but_the_kernel(void)
{
	wait_with(link_message(RTM_NEWLINK, UNDERLAY_INDEX, "eth0"), 2);
	queue.sender = 4711;
	EXPECT(netlink_events_read(0, &interest), 0);
	EXPECT(queue.left, 0);
}

static void read_says_that_the_descriptor_is_broken(void)
{
	wait_with(link_message(RTM_NEWLINK, UNDERLAY_INDEX, "eth0"), 1);
	queue.errors[0] = EBADF;
	EXPECT(netlink_events_read(0, &interest), -EBADF);
}

static unsigned groups_of(int fd)
{
	struct sockaddr_nl local = {0};
	socklen_t size = sizeof(local);

	EXPECT(getsockname(fd, (struct sockaddr *)&local, &size), 0);
	EXPECT(local.nl_family, AF_NETLINK);
	return local.nl_groups;
}

static void route_socket_needs_no_privilege(void)
{
	int fd = netlink_events_open_route(50000), bytes = 0;
	socklen_t size = sizeof(bytes);

	EXPECT(fd >= 0, 1);
	expect_plain_fd(fd);
	EXPECT(groups_of(fd), ROUTE_SOCKET_GROUPS);
	EXPECT(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size), 0);
	EXPECT(bytes, 2 * 50000); /* the kernel shows twice the value */
	EXPECT(close(fd), 0);
}

static const struct test_case cases[] = {
    CASE(read_adds_up_what_waits),
    CASE(read_leaves_a_flood_to_later_calls),
    CASE(read_says_what_was_lost_and_goes_on),
    CASE(read_takes_a_datagram_that_is_too_long_for_lost),
    CASE(read_listens_to_nobody_but_the_kernel),
    CASE(read_says_that_the_descriptor_is_broken),
    CASE(route_socket_needs_no_privilege),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
