/*
 * One sendmsg() of several datagrams to one peer, which the kernel cuts (UDP_SEGMENT, kernel 4.18).
 * Nothing is copied: what a datagram consists of must stay until it is sent.
 */
#ifndef TWILL_MESSAGE_H
#define TWILL_MESSAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define MESSAGE_MAX_DATAGRAMS 64 /* UDP_MAX_SEGMENTS of kernels before 6.9 */

/* One datagram: a framing and header part that may be empty, and the rest. */
struct send_datagram {
	struct iovec parts[2];
	size_t bytes;	    /* of both parts */
	size_t inner_bytes; /* of the inner packet, for the counters */
	uint32_t flow_hash; /* chooses the source port, where flows are spread */
	bool is_cut;	    /* from a larger packet, for the counters */
};

/* Room for one control message with a 16-bit number, aligned as the kernel wants it. */
union segment_control {
	struct cmsghdr header;
	uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
};

/* Datagrams to one peer, all of one length but the last. */
struct message {
	uint32_t peer;
	int fd;
	uint32_t datagrams, cut_datagrams;
	size_t segment_bytes; /* of every datagram but the last */
	size_t bytes, inner_bytes;
	bool is_closed; /* takes no more */
	size_t iov_count;
	struct iovec iov[2 * MESSAGE_MAX_DATAGRAMS];
	union segment_control control;
};

/* Start an empty one, whose first datagram will have `bytes`; it is the only one unless `may_grow`.
 */
void message_open(struct message *message, uint32_t peer, int fd, size_t bytes, bool may_grow);

/* Whether it takes a datagram of `bytes` to this peer by this socket. */
bool message_has_room(const struct message *message, uint32_t peer, int fd, size_t bytes);

/* Add one that it has room for, or the first. A shorter one is the last. */
void message_add(struct message *message, const struct send_datagram *datagram);

/* Fill `header` for sendmsg(). Both must stay where they are until then. */
void message_prepare(struct message *message, const struct sockaddr_in *address,
		     struct msghdr *header);

#endif
