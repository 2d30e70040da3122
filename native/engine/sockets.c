#include "engine/sockets.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/stranger_filter.h"
#include "os/udp_socket.h"

/* The stranger socket keeps nothing; the kernel rounds up to its minimum. */
#define STRANGER_BUFFER_BYTES 1
/* The ports of RFC 7348 section 5, from which flows are spread. */
#define FLOW_PORT_FIRST 49152
#define FLOW_PORT_COUNT 16384
/* Attempts to find a free one: with half of them taken, 20 fail once in a million. */
#define FLOW_PORT_TRIES 20

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int get_int(int fd, int name, int *value)
{
	socklen_t size = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, name, value, &size) < 0 ? -errno : 0;
}

/* A filter that takes nothing: what matches the socket is dropped and counted by the kernel. */
static int drop_everything(int fd)
{
	struct sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {.len = 1, .filter = nothing};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* Queues as large as those of `like`: the value that getsockopt() shows is twice the one to set. */
static void copy_buffer_sizes(int fd, int like)
{
	static const int names[][3] = {{SO_RCVBUF, SO_RCVBUFFORCE, SO_RCVBUF},
				       {SO_SNDBUF, SO_SNDBUFFORCE, SO_SNDBUF}};
	int bytes;

	for (size_t i = 0; i < 2; i++) {
		if (get_int(like, names[i][0], &bytes) == 0 &&
		    set_int(fd, SOL_SOCKET, names[i][1], bytes / 2) < 0)
			set_int(fd, SOL_SOCKET, names[i][2], bytes / 2);
	}
}

/* Another socket at the address of `first`, in the order of the calls. Returns it or a negative
 * errno. */
static int open_sibling(int first, const struct sockaddr_in *address)
{
	int fd = new_socket();
	int ret;

	if (fd < 0)
		return fd;
	copy_buffer_sizes(fd, first);
	ret = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	if (ret == 0)
		ret = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (ret == 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		ret = -errno;
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

static int open_stranger_socket(struct sockets *sockets, const struct sockaddr_in *address)
{
	int fd = open_sibling(sockets->queue_fds[0], address);
	int ret;

	if (fd < 0)
		return fd;
	ret = set_int(fd, SOL_SOCKET, SO_RCVBUF, STRANGER_BUFFER_BYTES);
	if (ret == 0)
		ret = drop_everything(fd);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	sockets->stranger_fd = fd;
	return 0;
}

/* A socket that only sends, from a port of its own. Returns it or a negative errno. */
static int open_flow_socket(int like, struct sockaddr_in address)
{
	int fd = new_socket();
	int ret;

	if (fd < 0)
		return fd;
	copy_buffer_sizes(fd, like);
	ret = drop_everything(fd);
	if (ret == 0)
		ret = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	if (ret < 0)
		goto fail;
	ret = -EADDRINUSE;
	for (int i = 0; ret == -EADDRINUSE && i < FLOW_PORT_TRIES; i++) {
		uint16_t number;

		if (getrandom(&number, sizeof(number), 0) != sizeof(number)) {
			ret = -errno;
			break;
		}
		address.sin_port = htons((uint16_t)(FLOW_PORT_FIRST + number % FLOW_PORT_COUNT));
		if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		ret = -errno;
	}

fail:
	close(fd);
	return ret;
}

static int open_group(struct sockets *sockets, const struct sockets_options *options)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	int type, ret;

	ret = get_int(options->fd, SO_TYPE, &type);
	if (ret < 0)
		return ret;
	if (getsockname(options->fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	if (type != SOCK_DGRAM || address.sin_family != AF_INET || address.sin_port == 0)
		return -EINVAL;
	/* Only now: the bind before this was exclusive, so nobody else has the port. */
	ret = set_int(options->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	for (size_t i = 1; ret == 0 && i < options->queues; i++) {
		ret = open_sibling(options->fd, &address);
		if (ret < 0)
			return ret;
		sockets->queue_fds[sockets->queues++] = ret;
		ret = 0;
	}
	if (ret == 0)
		ret = open_stranger_socket(sockets, &address);
	for (size_t i = 0; ret == 0 && options->spreads_flows && i < SOCKETS_FLOW_PORTS; i++) {
		ret = open_flow_socket(options->fd, address);
		if (ret < 0)
			return ret;
		sockets->flow_fds[sockets->flow_ports++] = ret;
		ret = 0;
	}
	return ret;
}

int sockets_open(struct sockets *sockets, const struct sockets_options *options)
{
	int ret;

	*sockets = (struct sockets){.stranger_fd = -1, .queues = 1, .queue_fds = {options->fd}};
	ret = open_group(sockets, options);
	for (size_t i = 0; ret == 0 && options->receives_batches && i < sockets->queues; i++)
		ret = set_int(sockets->queue_fds[i], IPPROTO_UDP, UDP_GRO, 1);
	/*
	 * The stranger socket too: when the kernel joins datagrams on their way in, it looks for a
	 * socket without asking the program, and joins none for a socket that takes no batches.
	 */
	if (ret == 0 && options->receives_batches)
		ret = set_int(sockets->stranger_fd, IPPROTO_UDP, UDP_GRO, 1);
	if (ret < 0) {
		sockets_close(sockets);
		return ret;
	}
	sockets_admit(sockets, NULL, 0); /* the next call tells whether it works here */
	return 0;
}

static int attach_filter(struct sockets *sockets, const uint32_t *addresses, size_t count)
{
	size_t room = STRANGER_FILTER_MAX_INSTRUCTIONS;
	struct sock_filter *filter = malloc(room * sizeof(*filter));
	struct address_range *ranges = malloc((count + 1) * sizeof(*ranges));
	int ret = filter == NULL || ranges == NULL ? -ENOMEM : -E2BIG;

	/* A kernel with less memory for a socket's programs (net.core.optmem_max) takes a shorter
	 * one. */
	for (; ret == -E2BIG && room >= STRANGER_FILTER_MIN_INSTRUCTIONS; room = room / 4 * 3) {
		size_t length =
		    stranger_filter_write(filter, room, addresses, count, ranges,
					  (uint32_t)sockets->queues, (uint32_t)sockets->queues);
		struct sock_fprog program = {.len = (unsigned short)length, .filter = filter};

		if (setsockopt(sockets->queue_fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF,
			       &program, sizeof(program)) == 0)
			ret = 0;
		else if (errno != ENOMEM)
			ret = -errno;
	}
	free(filter);
	free(ranges);
	return ret;
}

/*
 * Without the stranger socket the program's choice of it is no socket's, and the kernel chooses one
 * of the others by its own hash: everything reaches the queues, whatever the program says.
 */
static void admit_everybody(struct sockets *sockets)
{
	sockets_count_drops(sockets);
	close(sockets->stranger_fd);
	sockets->stranger_fd = -1;
}

int sockets_admit(struct sockets *sockets, const uint32_t *addresses, size_t count)
{
	int ret;

	if (sockets->stranger_fd < 0)
		return 0;
	ret = attach_filter(sockets, addresses, count);
	if (ret < 0)
		admit_everybody(sockets);
	return ret;
}

static void count_drops(int fd, uint32_t *seen, uint64_t *sum)
{
	uint32_t drops = fd < 0 ? *seen : udp_socket_drops(fd);

	*sum += (uint32_t)(drops - *seen);
	*seen = drops;
}

void sockets_count_drops(struct sockets *sockets)
{
	for (size_t i = 0; i < sockets->queues; i++)
		count_drops(sockets->queue_fds[i], &sockets->queue_drops_seen[i],
			    &sockets->queue_drops);
	count_drops(sockets->stranger_fd, &sockets->stranger_drops_seen, &sockets->stranger_drops);
}

static void close_all(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

void sockets_close(struct sockets *sockets)
{
	close_all(sockets->queue_fds, sockets->queues);
	close_all(sockets->flow_fds, sockets->flow_ports);
	if (sockets->stranger_fd >= 0)
		close(sockets->stranger_fd);
	sockets->queues = sockets->flow_ports = 0;
	sockets->stranger_fd = -1;
}
