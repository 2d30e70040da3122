#include "os/packet_io.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t packet_read(int fd, void *out, size_t size)
{
	ssize_t n;

	do {
		n = read(fd, out, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t packet_write(int fd, const void *packet, size_t size)
{
	ssize_t n;

	do {
		n = write(fd, packet, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int packet_pair(int fds[2])
{
	int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;

	return socketpair(AF_UNIX, type, 0, fds) < 0 ? -errno : 0;
}
