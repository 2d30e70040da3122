#include "os/udp_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* Try without the host's limit first, which needs CAP_NET_ADMIN. Returns 0 or -1 with errno. */
static int set_buffer_bytes(int fd, int force_option, int plain_option, int bytes)
{
	if (bytes <= 0)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, force_option, &bytes, sizeof(bytes)) == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, plain_option, &bytes, sizeof(bytes));
}

int udp_socket_open(const struct udp_socket_options *options)
{
	struct sockaddr_in local = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(options->address),
	    .sin_port = htons(options->port),
	};
	int discover = IP_PMTUDISC_OMIT;
	int fd, ret;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (set_buffer_bytes(fd, SO_RCVBUFFORCE, SO_RCVBUF, options->receive_buffer_bytes) < 0)
		goto fail;
	if (set_buffer_bytes(fd, SO_SNDBUFFORCE, SO_SNDBUF, options->send_buffer_bytes) < 0)
		goto fail;
	if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)) < 0)
		goto fail;
	if (bind(fd, (const struct sockaddr *)&local, sizeof(local)) < 0)
		goto fail;
	return fd;

fail:
	ret = -errno; /* close() may change errno */
	close(fd);
	return ret;
}

int udp_socket_forbid_reuse(int fd)
{
	int off = 0;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off)) < 0 ? -errno : 0;
}

uint32_t udp_socket_drops(int fd)
{
	uint32_t values[SK_MEMINFO_VARS] = {0};
	socklen_t size = sizeof(values);

	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &size);
	return values[SK_MEMINFO_DROPS];
}
