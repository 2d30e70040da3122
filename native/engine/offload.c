#include "engine/offload.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TRIAL_SEGMENT_BYTES 100
#define TRIAL_BYTES (2 * TRIAL_SEGMENT_BYTES + 50) /* the last one is shorter */
#define TRIAL_WAIT_MS 200 /* loopback delivers before sendmsg() returns, but for a busy machine */

/* Room for one control message with an int, aligned as the kernel wants it. */
union int_control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int open_on_loopback(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	*address =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(fd, (struct sockaddr *)address, size) == 0 &&
	    getsockname(fd, (struct sockaddr *)address, &size) == 0)
		return fd;
	ret = errno == EADDRNOTAVAIL ? -ENETUNREACH : -errno;
	close(fd);
	return ret;
}

static int send_batch(int fd, const struct sockaddr_in *to, uint8_t *bytes)
{
	struct iovec iov = {bytes, TRIAL_BYTES};
	union int_control control = {.header = {.cmsg_len = CMSG_LEN(sizeof(uint16_t)),
						.cmsg_level = IPPROTO_UDP,
						.cmsg_type = UDP_SEGMENT}};
	struct msghdr message = {.msg_name = (void *)to,
				 .msg_namelen = sizeof(*to),
				 .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = CMSG_SPACE(sizeof(uint16_t))};
	uint16_t segment_bytes = TRIAL_SEGMENT_BYTES;

	memcpy(CMSG_DATA(&control.header), &segment_bytes, sizeof(segment_bytes));
	return sendmsg(fd, &message, 0) == TRIAL_BYTES ? 0 : -errno;
}

/* Whether the whole batch comes in one piece, with the size of its segments. */
static int receive_batch(int fd, const uint8_t *sent)
{
	uint8_t bytes[TRIAL_BYTES + 1];
	struct iovec iov = {bytes, sizeof(bytes)};
	union int_control control;
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	const struct cmsghdr *header;
	int segment_bytes;

	if (poll(&wait, 1, TRIAL_WAIT_MS) <= 0)
		return -ENETUNREACH;
	if (recvmsg(fd, &message, 0) != TRIAL_BYTES || memcmp(bytes, sent, TRIAL_BYTES) != 0)
		return -ENOPROTOOPT;
	header = CMSG_FIRSTHDR(&message);
	if (header == NULL || header->cmsg_level != IPPROTO_UDP || header->cmsg_type != UDP_GRO)
		return -ENOPROTOOPT;
	memcpy(&segment_bytes, CMSG_DATA(header), sizeof(segment_bytes));
	return segment_bytes == TRIAL_SEGMENT_BYTES ? 0 : -ENOPROTOOPT;
}

int offload_try_batches(void)
{
	struct sockaddr_in address;
	uint8_t bytes[TRIAL_BYTES];
	int on = 1;
	int ret, fd = open_on_loopback(&address);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	if (setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0)
		ret = -errno;
	else
		ret = send_batch(fd, &address, bytes);
	if (ret == 0)
		ret = receive_batch(fd, bytes);
	close(fd);
	return ret;
}

uint64_t offload_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
