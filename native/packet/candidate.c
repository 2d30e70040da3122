#include "packet/candidate.h"

#include <string.h>

#include "packet/checksum.h"
#include "packet/merge.h"
#include "packet/transport.h"

/* For one's complement 0xffff is 0 as well, but whoever cuts the run writes 0. */
static bool is_usual_checksum(const uint8_t *at)
{
	return read_be16(at) != UINT16_MAX;
}

static bool is_mergeable_tcp(const uint8_t *tcp)
{
	const uint8_t bits = TCP_BIT_SYN | TCP_BIT_FIN | TCP_BIT_RST | TCP_BIT_URG | TCP_BIT_CWR;

	return (tcp[TCP_AT_FLAGS] & bits) == 0 && (tcp[TCP_AT_DATA_OFFSET] & 0x0f) == 0 &&
	       is_usual_checksum(tcp + TCP_AT_CHECKSUM);
}

static bool is_mergeable(unsigned allowed, const struct candidate *candidate)
{
	const struct inner *inner = candidate->inner;

	if (inner->is_fragment ||
	    (inner->version == 4 && !is_usual_checksum(candidate->packet + 10)))
		return false;
	if (inner->protocol == IPPROTO_TCP)
		return allowed & MERGE_TCP && is_mergeable_tcp(candidate->transport);
	return allowed & MERGE_UDP && read_be16(candidate->transport + UDP_AT_CHECKSUM) != 0;
}

struct candidate candidate_read(unsigned allowed, uint8_t *packet, const struct inner *inner)
{
	uint8_t *transport = packet + inner->header_bytes;
	struct candidate candidate = {.packet = packet, .inner = inner, .transport = transport};
	size_t bytes = inner->total_bytes - inner->header_bytes;
	size_t header_bytes = transport_header_bytes(inner->protocol, transport, bytes);

	if (header_bytes == 0 || header_bytes == bytes || !is_mergeable(allowed, &candidate))
		return candidate;
	candidate.header_bytes = inner->header_bytes + header_bytes;
	candidate.payload_bytes = bytes - header_bytes;
	if (inner->version == 4)
		candidate.id = read_be16(packet + 4);
	if (inner->protocol == IPPROTO_TCP) {
		candidate.sequence = read_be32(transport + TCP_AT_SEQUENCE);
		candidate.has_psh = transport[TCP_AT_FLAGS] & TCP_BIT_PSH;
	}
	return candidate;
}

bool candidate_has_ports(const struct candidate *candidate)
{
	const struct inner *inner = candidate->inner;

	return (inner->protocol == IPPROTO_TCP || inner->protocol == IPPROTO_UDP) &&
	       !inner->is_fragment && inner->total_bytes - inner->header_bytes >= 4u;
}

/* Multiplication mixes upwards, the shift brings it down again. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

uint32_t candidate_pair_hash(const struct candidate *candidate)
{
	const struct inner *inner = candidate->inner;
	uint64_t hash;

	if (inner->version == 4)
		return (uint32_t)mix(0, (uint64_t)inner->source << 32 | inner->destination);
	hash = mix(mix(0, inner->source6.high), inner->source6.low);
	return (uint32_t)mix(mix(hash, inner->destination6.high), inner->destination6.low);
}

uint32_t candidate_flow_hash(const struct candidate *candidate)
{
	return (uint32_t)mix(candidate_pair_hash(candidate), read_be32(candidate->transport));
}

/* Header lengths and protocols are among what is compared, and before what depends on them. */
static bool is_like_ip(const uint8_t *a, const uint8_t *b, size_t header_bytes)
{
	if (a[0] >> 4 == 6)
		return memcmp(a, b, 4) == 0 && memcmp(a + 6, b + 6, 2) == 0 &&
		       memcmp(a + 8, b + 8, 32) == 0;
	return memcmp(a, b, 2) == 0 && memcmp(a + 6, b + 6, 4) == 0 &&
	       memcmp(a + 12, b + 12, 8) == 0 && memcmp(a + 20, b + 20, header_bytes - 20) == 0;
}

static bool is_like_tcp(const uint8_t *a, const uint8_t *b, size_t header_bytes)
{
	return memcmp(a + TCP_AT_ACK, b + TCP_AT_ACK, TCP_AT_FLAGS - TCP_AT_ACK) == 0 &&
	       ((a[TCP_AT_FLAGS] ^ b[TCP_AT_FLAGS]) & ~TCP_BIT_PSH) == 0 &&
	       memcmp(a + TCP_AT_WINDOW, b + TCP_AT_WINDOW, 2) == 0 &&
	       memcmp(a + TCP_AT_URGENT, b + TCP_AT_URGENT, header_bytes - TCP_AT_URGENT) == 0;
}

bool candidate_is_like(const struct candidate *candidate, const uint8_t *first)
{
	size_t ip_header_bytes = candidate->inner->header_bytes;
	const uint8_t *transport = candidate->transport;

	return is_like_ip(candidate->packet, first, ip_header_bytes) &&
	       memcmp(transport, first + ip_header_bytes, 4) == 0 &&
	       (candidate->inner->protocol == IPPROTO_UDP ||
		is_like_tcp(transport, first + ip_header_bytes,
			    candidate->header_bytes - ip_header_bytes));
}

bool candidate_is_intact(const struct candidate *candidate, const uint8_t *packet, size_t bytes)
{
	size_t ip_header_bytes = candidate->inner->header_bytes;
	size_t transport_bytes = bytes - ip_header_bytes;
	uint64_t sum =
	    checksum_add_pseudo(0, packet, candidate->inner->protocol, (uint32_t)transport_bytes);

	sum = checksum_add(sum, packet + ip_header_bytes, transport_bytes);
	return checksum_fold(sum) == UINT16_MAX;
}
