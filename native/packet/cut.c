#include "packet/cut.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "packet/checksum.h"
#include "packet/transport.h"

static uint16_t nonzero_checksum(uint16_t checksum)
{
	return checksum == 0 ? UINT16_MAX : checksum; /* 0 would say: none (RFC 768) */
}

int cut_finish_checksum(uint8_t *packet, size_t bytes, const struct virtio_net_hdr *vnet)
{
	size_t start = vnet->csum_start, at = start + vnet->csum_offset;
	uint16_t checksum;

	if (!(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return 0;
	if (at + sizeof(checksum) > bytes)
		return -EINVAL;
	if (start < (packet[0] >> 4 == 4 ? (packet[0] & 0xfu) * 4 : INNER_IPV6_HEADER_BYTES))
		return -EINVAL;
	checksum = (uint16_t)~checksum_fold(checksum_add(0, packet + start, bytes - start));
	if (vnet->csum_offset == UDP_AT_CHECKSUM)
		checksum = nonzero_checksum(checksum);
	memcpy(packet + at, &checksum, sizeof(checksum));
	return 0;
}

static bool is_gso_of(uint8_t gso_type, uint8_t version, uint8_t protocol)
{
	switch (gso_type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN:
		return version == 4 && protocol == IPPROTO_TCP;
	case VIRTIO_NET_HDR_GSO_TCPV6:
	case VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN:
		return version == 6 && protocol == IPPROTO_TCP;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return protocol == IPPROTO_UDP;
	default:
		return false;
	}
}

/* Where the checksum is to be finished. hdr_len is not looked at: the kernel calls it a hint. */
static bool is_checksum_place(const struct virtio_net_hdr *vnet, const struct inner *inner)
{
	size_t offset = inner->protocol == IPPROTO_TCP ? TCP_AT_CHECKSUM : UDP_AT_CHECKSUM;

	return !(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	       (vnet->csum_start == inner->header_bytes && vnet->csum_offset == offset);
}

/* All but total length, identification and checksum. */
static uint64_t sum_ipv4(const uint8_t *packet, size_t header_bytes)
{
	uint64_t sum = checksum_add(0, packet, 2);

	sum = checksum_add(sum, packet + 6, 4);
	return checksum_add(sum, packet + 12, header_bytes - 12);
}

/* All but sequence number, flags and checksum. */
static uint64_t sum_tcp(uint64_t sum, const uint8_t *tcp, size_t header_bytes)
{
	sum = checksum_add(sum, tcp, TCP_AT_SEQUENCE);
	sum = checksum_add(sum, tcp + TCP_AT_ACK, TCP_AT_DATA_OFFSET - TCP_AT_ACK);
	sum = checksum_add(sum, tcp + TCP_AT_WINDOW, TCP_AT_CHECKSUM - TCP_AT_WINDOW);
	return checksum_add(sum, tcp + TCP_AT_URGENT, header_bytes - TCP_AT_URGENT);
}

int cut_open(struct cut *cut, const uint8_t *packet, const struct inner *inner,
	     const struct virtio_net_hdr *vnet)
{
	size_t ip_header_bytes = inner->header_bytes;
	size_t transport_bytes = inner->total_bytes - ip_header_bytes, header_bytes, payload_bytes;
	const uint8_t *transport = packet + ip_header_bytes;

	if (inner->is_fragment || vnet->gso_size == 0 || !is_checksum_place(vnet, inner) ||
	    !is_gso_of(vnet->gso_type, inner->version, inner->protocol))
		return -EINVAL;
	header_bytes = transport_header_bytes(inner->protocol, transport, transport_bytes);
	if (header_bytes == 0 || header_bytes == transport_bytes)
		return -EINVAL;
	if (inner->protocol == IPPROTO_TCP && transport[TCP_AT_FLAGS] & (TCP_BIT_SYN | TCP_BIT_RST))
		return -EINVAL;

	payload_bytes = transport_bytes - header_bytes;
	*cut = (struct cut){
	    .packet = packet,
	    .total_bytes = inner->total_bytes,
	    .ip_header_bytes = ip_header_bytes,
	    .header_bytes = ip_header_bytes + header_bytes,
	    .segment_bytes = vnet->gso_size,
	    .count = (payload_bytes + vnet->gso_size - 1) / vnet->gso_size,
	    .ip_sum = inner->version == 4 ? sum_ipv4(packet, ip_header_bytes) : 0,
	    .transport_sum = checksum_add_pseudo(0, packet, inner->protocol, 0),
	    .version = inner->version,
	    .protocol = inner->protocol,
	};
	cut->transport_sum = inner->protocol == IPPROTO_TCP
				 ? sum_tcp(cut->transport_sum, transport, header_bytes)
				 : checksum_add(cut->transport_sum, transport, UDP_AT_LENGTH);
	return 0;
}

static void write_ip(const struct cut *cut, size_t index, uint8_t *ip, size_t total_bytes)
{
	uint16_t identification, checksum;
	uint64_t sum = cut->ip_sum;

	if (cut->version == 6) {
		write_be16(ip + 4, (uint16_t)(total_bytes - INNER_IPV6_HEADER_BYTES));
		return;
	}
	identification = (uint16_t)(read_be16(ip + 4) + index);
	write_be16(ip + 2, (uint16_t)total_bytes);
	write_be16(ip + 4, identification);
	sum = checksum_add_be16(sum, (uint16_t)total_bytes);
	checksum = (uint16_t)~checksum_fold(checksum_add_be16(sum, identification));
	memcpy(ip + 10, &checksum, sizeof(checksum));
}

/* `sum` is that of the payload, the upper-layer length and cut->transport_sum. */
static void write_tcp(const struct cut *cut, size_t index, uint8_t *tcp, uint64_t sum)
{
	uint32_t sequence =
	    read_be32(tcp + TCP_AT_SEQUENCE) + (uint32_t)(index * cut->segment_bytes);
	uint16_t checksum;

	if (index > 0)
		tcp[TCP_AT_FLAGS] &= (uint8_t)~TCP_BIT_CWR;
	if (index < cut->count - 1)
		tcp[TCP_AT_FLAGS] &= (uint8_t) ~(TCP_BIT_FIN | TCP_BIT_PSH);
	write_be32(tcp + TCP_AT_SEQUENCE, sequence);
	sum = checksum_add_be32(sum, sequence);
	sum = checksum_add_be16(sum, read_be16(tcp + TCP_AT_DATA_OFFSET)); /* and the flags */
	checksum = (uint16_t)~checksum_fold(sum);
	memcpy(tcp + TCP_AT_CHECKSUM, &checksum, sizeof(checksum));
}

static void write_udp(uint8_t *udp, uint16_t bytes, uint64_t sum)
{
	uint16_t checksum = (uint16_t)~checksum_fold(checksum_add_be16(sum, bytes));

	write_be16(udp + UDP_AT_LENGTH, bytes);
	checksum = nonzero_checksum(checksum);
	memcpy(udp + UDP_AT_CHECKSUM, &checksum, sizeof(checksum));
}

void cut_segment(const struct cut *cut, size_t index, uint8_t header[CUT_MAX_HEADER_BYTES],
		 struct iovec *payload)
{
	size_t at = cut->header_bytes + index * cut->segment_bytes;
	size_t rest_bytes = cut->total_bytes - at;
	size_t payload_bytes = rest_bytes < cut->segment_bytes ? rest_bytes : cut->segment_bytes;
	size_t total_bytes = cut->header_bytes + payload_bytes;
	uint16_t transport_bytes = (uint16_t)(total_bytes - cut->ip_header_bytes);
	uint64_t sum = checksum_add(cut->transport_sum, cut->packet + at, payload_bytes);

	sum = checksum_add_be16(sum, transport_bytes);
	*payload = (struct iovec){(uint8_t *)cut->packet + at, payload_bytes};
	memcpy(header, cut->packet, cut->header_bytes);
	write_ip(cut, index, header, total_bytes);
	if (cut->protocol == IPPROTO_TCP)
		write_tcp(cut, index, header + cut->ip_header_bytes, sum);
	else
		write_udp(header + cut->ip_header_bytes, transport_bytes, sum);
}
