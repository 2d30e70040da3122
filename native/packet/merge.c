#include "packet/merge.h"

#include <string.h>

#include "packet/candidate.h"
#include "packet/checksum.h"
#include "packet/transport.h"

#define MAX_TOTAL_BYTES 65535
#define NEWEST_COUNT (sizeof(((struct merge *)NULL)->newest))

_Static_assert(MERGE_MAX_RUNS <= 64, "merge.open has a bit for each run");

void merge_reset(struct merge *merge, unsigned allowed)
{
	merge->allowed = allowed;
	merge->count = 0;
	merge->open = 0;
	memset(merge->newest, 0, sizeof(merge->newest));
}

static bool is_open(const struct merge *merge, size_t index)
{
	return merge->open >> index & 1;
}

static void close_run(struct merge *merge, size_t index)
{
	merge->open &= ~((uint64_t)1 << index);
}

static void close_pair(struct merge *merge, uint32_t pair_hash)
{
	for (uint64_t open = merge->open; open != 0; open &= open - 1) {
		size_t index = (size_t)__builtin_ctzll(open);

		if (merge->pair_hash[index] == pair_hash)
			close_run(merge, index);
	}
}

/*
 * The place of the newest run of a flow, and of those that share its hash. What stands there is
 * the only run that its flow may still join: a run that was replaced stays as it is.
 */
static uint8_t *newest_of(struct merge *merge, const struct candidate *candidate)
{
	return &merge->newest[candidate_flow_hash(candidate) % NEWEST_COUNT];
}

/* What comes later must not be written in front of the candidate. */
static void close_before(struct merge *merge, const struct candidate *candidate)
{
	uint8_t newest;

	if (!candidate_has_ports(candidate)) {
		close_pair(merge, candidate_pair_hash(candidate));
		return;
	}
	newest = *newest_of(merge, candidate);
	if (newest != 0)
		close_run(merge, newest - 1u);
}

/* A run of this packet alone, which is closed. Returns NULL when there is no room. */
static struct merge_run *start_run(struct merge *merge, const struct candidate *candidate,
				   uint32_t peer)
{
	size_t bytes = candidate->inner->total_bytes;
	struct merge_run *run;

	if (merge->count == MERGE_MAX_RUNS)
		return NULL;
	run = &merge->runs[merge->count++];
	run->peer = peer;
	run->packets = 1;
	run->bytes = bytes;
	run->header_bytes = candidate->header_bytes;
	run->iov[0] = (struct iovec){&run->vnet, sizeof(run->vnet)};
	run->iov[1] = run->originals[0] = (struct iovec){candidate->packet, bytes};
	run->iov_count = 2;
	return run;
}

/* Opens the run that was just started to the packets that follow its only one. */
static void open_run(struct merge *merge, struct merge_run *run, const struct candidate *candidate)
{
	size_t index = merge->count - 1;

	run->ip_header_bytes = candidate->inner->header_bytes;
	run->segment_bytes = candidate->payload_bytes;
	run->next_sequence = candidate->sequence;
	run->next_id = candidate->id;
	run->is_verified = false;
	merge->open |= (uint64_t)1 << index;
	merge->pair_hash[index] = candidate_pair_hash(candidate);
}

/* The first packet's checksum is only of interest, and only looked at, when a second one comes. */
static bool is_first_intact(struct merge_run *run, const struct candidate *candidate)
{
	if (!run->is_verified)
		run->is_verified = candidate_is_intact(candidate, run->originals[0].iov_base,
						       run->originals[0].iov_len);
	return run->is_verified;
}

/* Length of the run as one packet. */
static size_t merged_bytes(const struct merge_run *run)
{
	return run->bytes - (run->packets - 1) * run->header_bytes;
}

/* The cheap questions first; the payload is looked at last. */
static bool may_append(struct merge_run *run, const struct candidate *candidate, uint32_t peer)
{
	return run->peer == peer && candidate->sequence == run->next_sequence &&
	       candidate->id == run->next_id && candidate->payload_bytes <= run->segment_bytes &&
	       merged_bytes(run) + candidate->payload_bytes <= MAX_TOTAL_BYTES &&
	       candidate_is_like(candidate, run->originals[0].iov_base) &&
	       is_first_intact(run, candidate) &&
	       candidate_is_intact(candidate, candidate->packet, candidate->inner->total_bytes);
}

/* Puts a header of its own in front of what was one packet. */
static void split_first(struct merge_run *run)
{
	uint8_t *first = run->originals[0].iov_base;

	memcpy(run->header, first, run->header_bytes);
	run->iov[1] = (struct iovec){run->header, run->header_bytes};
	run->iov[2] = (struct iovec){first + run->header_bytes, run->segment_bytes};
	run->iov_count = 3;
}

static void append(struct merge_run *run, const struct candidate *candidate)
{
	if (run->packets == 1)
		split_first(run);
	run->iov[run->iov_count++] =
	    (struct iovec){candidate->packet + candidate->header_bytes, candidate->payload_bytes};
	run->originals[run->packets++] =
	    (struct iovec){candidate->packet, candidate->inner->total_bytes};
	run->bytes += candidate->inner->total_bytes;
	if (candidate->has_psh)
		run->header[run->ip_header_bytes + TCP_AT_FLAGS] |= TCP_BIT_PSH;
}

/* Looks at the run's last packet: closes the run after it, or says what has to follow. */
static void go_on(struct merge *merge, struct merge_run *run, const struct candidate *last)
{
	if (last->has_psh || last->payload_bytes < run->segment_bytes ||
	    run->packets == MERGE_MAX_PACKETS) {
		close_run(merge, (size_t)(run - merge->runs));
		return;
	}
	if (last->inner->protocol == IPPROTO_TCP)
		run->next_sequence += (uint32_t)last->payload_bytes;
	if (last->inner->version == 4)
		run->next_id++;
}

static bool add_mergeable(struct merge *merge, const struct candidate *candidate, uint32_t peer)
{
	uint8_t *newest = newest_of(merge, candidate);
	struct merge_run *run = *newest == 0 ? NULL : &merge->runs[*newest - 1];

	if (run != NULL && is_open(merge, *newest - 1u) && may_append(run, candidate, peer)) {
		append(run, candidate);
	} else {
		run = start_run(merge, candidate, peer);
		if (run == NULL)
			return false;
		open_run(merge, run, candidate);
		*newest = (uint8_t)merge->count;
	}
	go_on(merge, run, candidate);
	return true;
}

bool merge_add(struct merge *merge, uint8_t *packet, const struct inner *inner, uint32_t peer)
{
	struct candidate candidate = candidate_read(merge->allowed, packet, inner);

	if (candidate.header_bytes > 0)
		return add_mergeable(merge, &candidate, peer);
	if (merge->open != 0)
		close_before(merge, &candidate);
	return start_run(merge, &candidate, peer) != NULL;
}

static void finish_ipv4(uint8_t *ip, size_t header_bytes, size_t total_bytes)
{
	uint16_t checksum;

	write_be16(ip + 2, (uint16_t)total_bytes);
	write_be16(ip + 10, 0);
	checksum = (uint16_t)~checksum_fold(checksum_add(0, ip, header_bytes));
	memcpy(ip + 10, &checksum, sizeof(checksum));
}

/* Writes the sum that whoever finishes the checksum goes on from. Returns where it is. */
static size_t finish_transport(uint8_t *ip, uint8_t protocol, uint8_t *transport, size_t bytes)
{
	size_t at = protocol == IPPROTO_TCP ? TCP_AT_CHECKSUM : UDP_AT_CHECKSUM;
	uint16_t partial = checksum_fold(checksum_add_pseudo(0, ip, protocol, (uint32_t)bytes));

	if (protocol == IPPROTO_UDP)
		write_be16(transport + UDP_AT_LENGTH, (uint16_t)bytes);
	memcpy(transport + at, &partial, sizeof(partial));
	return at;
}

static uint8_t gso_type_of(bool is_ipv4, uint8_t protocol)
{
	if (protocol == IPPROTO_UDP)
		return VIRTIO_NET_HDR_GSO_UDP_L4;
	return is_ipv4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

static void finish_run(struct merge_run *run)
{
	uint8_t *ip = run->header;
	bool is_ipv4 = ip[0] >> 4 == 4;
	uint8_t protocol = ip[is_ipv4 ? 9 : 6];
	size_t total_bytes = merged_bytes(run);
	size_t transport_bytes = total_bytes - run->ip_header_bytes;
	size_t checksum_at =
	    finish_transport(ip, protocol, ip + run->ip_header_bytes, transport_bytes);

	if (is_ipv4)
		finish_ipv4(ip, run->ip_header_bytes, total_bytes);
	else
		write_be16(ip + 4, (uint16_t)transport_bytes);
	run->vnet = (struct virtio_net_hdr){
	    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	    .gso_type = gso_type_of(is_ipv4, protocol),
	    .hdr_len = (uint16_t)run->header_bytes,
	    .gso_size = (uint16_t)run->segment_bytes,
	    .csum_start = (uint16_t)run->ip_header_bytes,
	    .csum_offset = (uint16_t)checksum_at,
	};
}

void merge_finish(struct merge *merge)
{
	for (size_t i = 0; i < merge->count; i++) {
		if (merge->runs[i].packets > 1)
			finish_run(&merge->runs[i]);
		else
			memset(&merge->runs[i].vnet, 0, sizeof(merge->runs[i].vnet));
	}
}
