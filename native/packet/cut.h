/*
 * What the kernel leaves to whoever reads a TUN with a virtio-net header (include/uapi/linux/
 * virtio_net.h): unfinished checksums, and runs of TCP segments or UDP datagrams under one header,
 * to be cut as a network card would. Pure; payload is never copied.
 */
#ifndef TWILL_CUT_H
#define TWILL_CUT_H

#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "packet/inner.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2; the headers of Debian 12 are older */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define CUT_MAX_HEADER_BYTES 120 /* IPv4 with options 60, TCP with options 60 */

/* A packet that is to be cut into `count` packets, each ready for the wire. */
struct cut {
	const uint8_t *packet;
	size_t total_bytes; /* of the packet as read */
	size_t ip_header_bytes;
	size_t header_bytes;  /* IP and TCP or UDP header */
	size_t segment_bytes; /* payload of every segment but the last, 1 or more */
	size_t count;	      /* 1 or more */
	/* Sums of what no segment changes: IPv4 header; pseudo-header and TCP or UDP header. */
	uint64_t ip_sum, transport_sum;
	uint8_t version, protocol;
};

/*
 * Finishes the checksum of a packet with gso_type NONE in place when the header says
 * VIRTIO_NET_HDR_F_NEEDS_CSUM; a UDP result of 0 becomes 0xffff. `bytes` is the packet's length
 * without padding. Returns 0, or -EINVAL when the checksum would lie in the IP header or outside
 * the packet.
 */
int cut_finish_checksum(uint8_t *packet, size_t bytes, const struct virtio_net_hdr *vnet);

/*
 * Prepares to cut `packet`, which inner_parse() found no fault with. Its checksum fields may be
 * partial. Returns 0, or -EINVAL when header and packet do not fit each other: another protocol
 * than gso_type says, a fragment, an IPv6 extension header, a TCP header that is not whole, a UDP
 * length other than IP's, no payload, gso_size 0, SYN or RST set, a
 * checksum to be finished elsewhere than in that TCP or UDP header.
 */
int cut_open(struct cut *cut, const uint8_t *packet, const struct inner *inner,
	     const struct virtio_net_hdr *vnet);

/* Length of the longest packet that it makes: what is held against the MTU. */
static inline size_t cut_longest(const struct cut *cut)
{
	return cut->count > 1 ? cut->header_bytes + cut->segment_bytes : cut->total_bytes;
}

/*
 * Writes the headers of packet `index` (0 to count - 1) to `header`, cut->header_bytes of them,
 * and says where its payload lies, at least 1 byte. IPv4: total length, identification + index,
 * header checksum. IPv6: payload length. TCP: sequence number, checksum; FIN and PSH only in the
 * last, CWR only in the first, everything else as it was. UDP: length and checksum (0xffff for 0).
 */
void cut_segment(const struct cut *cut, size_t index, uint8_t header[CUT_MAX_HEADER_BYTES],
		 struct iovec *payload);

#endif
