/* Facts about native/os/udp_socket.c. */
#include "os/udp_socket.h"

#include "c-test.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK 0x7f000001u

static int int_option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	EXPECT(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in local;
	socklen_t size = sizeof(local);

	EXPECT(getsockname(fd, (struct sockaddr *)&local, &size), 0);
	EXPECT(ntohl(local.sin_addr.s_addr), LOOPBACK);
	return ntohs(local.sin_port);
}

static void udp_socket_is_bound_with_df_clear(void)
{
	struct udp_socket_options options = {LOOPBACK, 0, 50000, 60000};
	int fd = udp_socket_open(&options);

	EXPECT(fd >= 0, 1);
	expect_plain_fd(fd);
	EXPECT(port_of(fd) != 0, 1);
	EXPECT(int_option(fd, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_OMIT);
	EXPECT(int_option(fd, SOL_SOCKET, SO_RCVBUF),
	       2 * 50000); /* the kernel shows twice the value */
	EXPECT(int_option(fd, SOL_SOCKET, SO_SNDBUF), 2 * 60000);
	EXPECT(close(fd), 0);
}

static void udp_socket_leaves_no_descriptor_on_failure(void)
{
	struct udp_socket_options options = {LOOPBACK, 0, 0, 0};
	int fd = udp_socket_open(&options);

	EXPECT(fd >= 0, 1);
	options.port = port_of(fd);
	EXPECT(udp_socket_open(&options), -EADDRINUSE);
	options.address = 0xc0000201; /* 192.0.2.1 (RFC 5737) is nobody's */
	EXPECT(udp_socket_open(&options), -EADDRNOTAVAIL);
	EXPECT(dup(fd), fd + 1); /* the lowest free number: nothing was left open */
	EXPECT(close(fd + 1), 0);
	EXPECT(close(fd), 0);
}

static void udp_socket_forbids_reuse(void)
{
	struct udp_socket_options options = {LOOPBACK, 0, 0, 0};
	int fd = udp_socket_open(&options), on = 1;

	EXPECT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	EXPECT(udp_socket_forbid_reuse(fd), 0);
	EXPECT(int_option(fd, SOL_SOCKET, SO_REUSEADDR), 0);
	EXPECT(close(fd), 0);
	EXPECT(udp_socket_forbid_reuse(fd), -EBADF);
}

static void udp_socket_drops_counts_what_its_queue_had_no_room_for(void)
{
	struct udp_socket_options options = {LOOPBACK, 0, 1,
					     0}; /* the kernel's least: a few datagrams */
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK)};
	int fd = udp_socket_open(&options);
	char away[100] = {0};
	uint32_t received = 0;

	to.sin_port = htons(port_of(fd));
	EXPECT(udp_socket_drops(fd), 0);
	for (int i = 0; i < 1000; i++)
		EXPECT(sendto(fd, away, sizeof(away), 0, (struct sockaddr *)&to, sizeof(to)),
		       sizeof(away));
	while (recv(fd, away, sizeof(away), 0) > 0)
		received++;
	EXPECT(received > 0 && received < 1000, 1);
	EXPECT(udp_socket_drops(fd), 1000 - received);
	EXPECT(close(fd), 0);
	EXPECT(udp_socket_drops(fd), 0);
}

static const struct test_case cases[] = {
    CASE(udp_socket_is_bound_with_df_clear),
    CASE(udp_socket_leaves_no_descriptor_on_failure),
    CASE(udp_socket_drops_counts_what_its_queue_had_no_room_for),
    CASE(udp_socket_forbids_reuse),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
