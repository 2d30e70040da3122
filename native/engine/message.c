#include "engine/message.h"

#include <netinet/udp.h>
#include <string.h>

#define MAX_BYTES \
	65507 /* 65,535 less IPv4 and UDP header: of a datagram, and of a whole message too */

void message_open(struct message *message, uint32_t peer, int fd, size_t bytes, bool may_grow)
{
	message->peer = peer;
	message->fd = fd;
	message->datagrams = message->cut_datagrams = 0;
	message->segment_bytes = bytes;
	message->bytes = message->inner_bytes = message->iov_count = 0;
	message->is_closed = !may_grow;
}

bool message_has_room(const struct message *message, uint32_t peer, int fd, size_t bytes)
{
	return !message->is_closed && message->peer == peer && message->fd == fd &&
	       bytes <= message->segment_bytes && message->datagrams < MESSAGE_MAX_DATAGRAMS &&
	       message->bytes + bytes <= MAX_BYTES;
}

void message_add(struct message *message, const struct send_datagram *datagram)
{
	if (datagram->bytes < message->segment_bytes)
		message->is_closed = true;
	for (size_t i = 0; i < 2; i++) {
		if (datagram->parts[i].iov_len > 0)
			message->iov[message->iov_count++] = datagram->parts[i];
	}
	message->datagrams += 1;
	message->cut_datagrams += datagram->is_cut;
	message->bytes += datagram->bytes;
	message->inner_bytes += datagram->inner_bytes;
}

void message_prepare(struct message *message, const struct sockaddr_in *address,
		     struct msghdr *header)
{
	uint16_t segment_bytes = (uint16_t)message->segment_bytes;

	*header = (struct msghdr){.msg_name = (void *)address,
				  .msg_namelen = sizeof(*address),
				  .msg_iov = message->iov,
				  .msg_iovlen = message->iov_count};
	if (message->datagrams < 2)
		return;
	message->control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(segment_bytes)),
						   .cmsg_level = IPPROTO_UDP,
						   .cmsg_type = UDP_SEGMENT};
	memcpy(CMSG_DATA(&message->control.header), &segment_bytes, sizeof(segment_bytes));
	header->msg_control = message->control.bytes;
	header->msg_controllen = sizeof(message->control.bytes);
}
