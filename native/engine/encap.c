#include "engine/encap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/send_batch.h"
#include "os/packet_io.h"
#include "packet/cut.h"

/*
 * Four packets of 64 KiB, or a batch of small ones: enough to share a system call, and little
 * enough to stay in the core's own cache between the read, the checksums and the send.
 */
#define READ_MEMORY_BYTES (256 * 1024)
#define MAX_READS 64
/* The longest packet, its virtio-net header, and one byte more: a longer one would show by it. */
#define MAX_READ_BYTES (INNER_MAX_BYTES + sizeof(struct virtio_net_hdr) + 1)
/*
 * Of one run: what 64 KiB make with the shortest segments that Linux itself uses (TCP_MIN_GSO_SIZE,
 * 8). A pod can hand over a run with segments of 1 byte, and the kernel passes it on: cutting that
 * would keep this thread for some 10 ms.
 */
#define MAX_RUN_PACKETS 8192
#define READ_ALIGNMENT 64 /* packets that do not share a cache line */

struct read {
	uint8_t *at;
	size_t bytes;
};

struct encap {
	struct shared *shared;
	struct counters counters;
	int tun_fd;
	size_t thread;
	size_t vnet_bytes; /* in front of every packet of the TUN */
	struct send_batch *batch;
	const struct fwd_table *table; /* between encap_begin() and encap_end() */
	size_t count;
	struct read reads[MAX_READS];
	uint8_t memory[READ_MEMORY_BYTES];
};

int encap_create(struct shared *shared, int tun_fd, size_t queue, size_t thread,
		 struct encap **encap)
{
	struct encap *e = aligned_alloc(_Alignof(struct encap), sizeof(*e));
	int ret;

	if (e == NULL)
		return -ENOMEM;
	memset(e, 0, offsetof(struct encap, memory)); /* untouched memory stays the kernel's */
	e->shared = shared;
	e->tun_fd = tun_fd;
	e->thread = thread;
	e->vnet_bytes = shared->has_vnet_header ? sizeof(struct virtio_net_hdr) : 0;
	ret = send_batch_create(shared, &e->counters, thread, queue, &e->batch);
	if (ret < 0) {
		free(e);
		return ret;
	}
	*encap = e;
	return 0;
}

void encap_free(struct encap *encap)
{
	if (encap == NULL)
		return;
	send_batch_free(encap->batch);
	free(encap);
}

const struct counters *encap_counters(const struct encap *encap)
{
	return &encap->counters;
}

static bool reason_of(enum counter outcome, enum icmp_reason *reason)
{
	switch (outcome) {
	case COUNTER_ENCAP_DROP_TTL:
		*reason = ICMP_TIME_EXCEEDED;
		return true;
	case COUNTER_ENCAP_DROP_NO_PEER:
		*reason = ICMP_NET_UNREACHABLE;
		return true;
	case COUNTER_ENCAP_DROP_DONT_FRAGMENT:
		*reason = ICMP_TOO_BIG;
		return true;
	default:
		return false;
	}
}

/* Tells a sender on this host why its packet was dropped, if that is a reason to be told. */
static void answer(struct encap *e, enum counter outcome, const uint8_t *packet,
		   const struct inner *inner)
{
	const struct packet_rules *rules = &e->shared->rules;
	uint8_t error[sizeof(struct virtio_net_hdr) + ICMP_ERROR_MAX_BYTES] = {0};
	enum icmp_reason reason;
	size_t bytes;

	if (!reason_of(outcome, &reason) || !check_is_own_source(rules, inner))
		return;
	if (inner->version == 4 && inner->source == rules->own_last)
		return; /* broadcast */
	if (!shared_may_answer(&e->shared->own_errors, packet, inner, &e->counters))
		return;
	bytes = icmp_write(error + e->vnet_bytes, packet, inner, reason, &e->shared->icmp_sender,
			   rules->overlay_mtu);
	if (packet_write(e->tun_fd, error, e->vnet_bytes + bytes) < 0)
		counters_add(&e->counters, COUNTER_ICMP_FAILED, 1);
	else
		counters_add(&e->counters, COUNTER_ICMP_SENT, 1);
}

/* One answer for all of a run: about its first packet, as it would have been on the wire. */
static void answer_run(struct encap *e, enum counter outcome, const struct cut *cut,
		       struct inner inner)
{
	uint8_t quoted[ICMP_ERROR_MAX_BYTES];
	struct iovec payload;
	size_t bytes;

	cut_segment(cut, 0, quoted, &payload);
	bytes = sizeof(quoted) - cut->header_bytes;
	memcpy(quoted + cut->header_bytes, payload.iov_base,
	       payload.iov_len < bytes ? payload.iov_len : bytes);
	inner.total_bytes = (uint32_t)(cut->header_bytes + payload.iov_len);
	answer(e, outcome, quoted, &inner);
}

/* FNV-1a over addresses, protocol and ports: the same for every packet of a flow. */
static uint32_t hash_of(const uint8_t *packet, const struct inner *inner)
{
	bool has_ports = !inner->is_fragment && inner->total_bytes >= inner->header_bytes + 4u &&
			 (inner->protocol == IPPROTO_TCP || inner->protocol == IPPROTO_UDP);
	size_t addresses_at = inner->version == 4 ? 12 : 8;
	size_t addresses_bytes = inner->version == 4 ? 8 : 32;
	uint32_t hash = 2166136261u ^ inner->protocol;

	for (size_t i = 0; i < addresses_bytes; i++)
		hash = (hash ^ packet[addresses_at + i]) * 16777619u;
	for (size_t i = 0; has_ports && i < 4; i++)
		hash = (hash ^ packet[inner->header_bytes + i]) * 16777619u;
	return hash ^ hash >> 16;
}

/* What every datagram to one peer has in common. */
struct way {
	uint32_t peer;
	uint32_t flow_hash;
	size_t framing_bytes;
	const uint8_t *peer_mac;
};

static struct way way_to(const struct encap *e, uint32_t peer, const uint8_t *packet,
			 const struct inner *inner)
{
	return (struct way){
	    .peer = peer,
	    .flow_hash = e->shared->sockets.flow_ports == 0 ? 0 : hash_of(packet, inner),
	    .framing_bytes = framing_bytes(&e->shared->framing),
	    .peer_mac = fwd_table_peer(e->table, peer)->vtep_mac,
	};
}

static void send_whole(struct encap *e, uint8_t *packet, const struct inner *inner,
		       const struct way *way)
{
	struct send_datagram datagram = {
	    .parts = {{NULL, way->framing_bytes}, {packet, inner->total_bytes}},
	    .bytes = way->framing_bytes + inner->total_bytes,
	    .inner_bytes = inner->total_bytes,
	    .flow_hash = way->flow_hash,
	};

	if (way->framing_bytes > 0) {
		datagram.parts[0].iov_base = send_batch_header(e->batch, way->framing_bytes);
		framing_write(&e->shared->framing, datagram.parts[0].iov_base, way->peer_mac,
			      inner->version);
	}
	send_batch_add(e->batch, way->peer, &datagram);
}

static void send_cut(struct encap *e, const struct cut *cut, const struct way *way)
{
	size_t header_bytes = way->framing_bytes + cut->header_bytes;

	for (size_t i = 0; i < cut->count; i++) {
		uint8_t *header = send_batch_header(e->batch, header_bytes);
		struct send_datagram datagram = {
		    .parts = {{header, header_bytes}},
		    .flow_hash = way->flow_hash,
		    .is_cut = cut->count > 1,
		};

		framing_write(&e->shared->framing, header, way->peer_mac, cut->version);
		cut_segment(cut, i, header + way->framing_bytes, &datagram.parts[1]);
		datagram.bytes = header_bytes + datagram.parts[1].iov_len;
		datagram.inner_bytes = datagram.bytes - way->framing_bytes;
		send_batch_add(e->batch, way->peer, &datagram);
	}
}

static void drop(struct encap *e, enum counter outcome, size_t packets)
{
	counters_add(&e->counters, outcome, packets);
}

static void carry_whole(struct encap *e, uint8_t *packet, size_t bytes,
			const struct virtio_net_hdr *vnet)
{
	struct inner inner;
	struct packet_verdict verdict;
	enum icmp_reason reason;
	enum counter outcome =
	    check_encap(packet, bytes, 0, &e->shared->rules, e->table, &inner, &verdict);

	/* Also before an answer, which quotes the packet. */
	if (outcome == COUNTER_ENCAP_SENT || reason_of(outcome, &reason)) {
		if (cut_finish_checksum(packet, inner.total_bytes, vnet) < 0) {
			drop(e, COUNTER_ENCAP_DROP_OFFLOAD, 1);
			return;
		}
	}
	if (outcome != COUNTER_ENCAP_SENT) {
		drop(e, outcome, 1);
		answer(e, outcome, packet, &inner);
		return;
	}
	if (verdict.is_foreign_source)
		counters_add(&e->counters, COUNTER_ENCAP_FOREIGN_SOURCE, 1);
	inner_take_hop(packet);
	struct way way = way_to(e, verdict.peer, packet, &inner);
	send_whole(e, packet, &inner, &way);
}

/* One packet that stands for many: the checks look at it once, the counters count them all. */
static void carry_run(struct encap *e, uint8_t *packet, size_t bytes,
		      const struct virtio_net_hdr *vnet)
{
	struct cut cut = {.count = 1};
	struct inner inner;
	struct packet_verdict verdict;
	enum counter outcome;
	bool is_whole = inner_parse(&inner, packet, bytes) == INNER_FAULT_NONE;
	bool can_cut =
	    is_whole && cut_open(&cut, packet, &inner, vnet) == 0 && cut.count <= MAX_RUN_PACKETS;

	/* What cannot be cut may have a better reason to be dropped, but not that it is long. */
	outcome = check_encap(packet, bytes, can_cut ? cut_longest(&cut) : INNER_MIN_HEADER_BYTES,
			      &e->shared->rules, e->table, &inner, &verdict);
	if (outcome == COUNTER_ENCAP_SENT && !can_cut)
		outcome = COUNTER_ENCAP_DROP_OFFLOAD;
	if (outcome != COUNTER_ENCAP_SENT) {
		drop(e, outcome, cut.count);
		if (can_cut)
			answer_run(e, outcome, &cut, inner);
		return;
	}
	if (verdict.is_foreign_source)
		counters_add(&e->counters, COUNTER_ENCAP_FOREIGN_SOURCE, cut.count);
	inner_take_hop(packet);
	cut_open(&cut, packet, &inner, vnet); /* its sums again, now with one hop less */
	struct way way = way_to(e, verdict.peer, packet, &inner);
	send_cut(e, &cut, &way);
}

void encap_begin(struct encap *encap)
{
	encap->table = fwd_slot_borrow(encap->shared->tables, encap->thread);
	send_batch_begin(encap->batch, encap->table);
}

void encap_packet(struct encap *encap, uint8_t *read, size_t bytes)
{
	struct virtio_net_hdr vnet = {0};

	if (bytes < encap->vnet_bytes) {
		drop(encap, COUNTER_ENCAP_DROP_SHORT, 1);
		return;
	}
	memcpy(&vnet, read, encap->vnet_bytes);
	if (vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		carry_whole(encap, read + encap->vnet_bytes, bytes - encap->vnet_bytes, &vnet);
	else
		carry_run(encap, read + encap->vnet_bytes, bytes - encap->vnet_bytes, &vnet);
}

void encap_end(struct encap *encap)
{
	send_batch_send(encap->batch);
	fwd_slot_give_back(encap->shared->tables, encap->thread);
	encap->table = NULL;
}

/* Reads what there is, `limit` packets at most and as far as memory reaches. Returns 1, or what the
 * last read said: 0 for the end, or a negative errno. */
static ssize_t read_batch(struct encap *e, size_t limit)
{
	size_t used = 0;

	for (e->count = 0; e->count < limit; e->count++) {
		ssize_t bytes;

		if (READ_MEMORY_BYTES - used < MAX_READ_BYTES)
			break;
		bytes = packet_read(e->tun_fd, e->memory + used, MAX_READ_BYTES);
		if (bytes <= 0)
			return bytes;
		e->reads[e->count] = (struct read){e->memory + used, (size_t)bytes};
		used += ((size_t)bytes + READ_ALIGNMENT - 1) / READ_ALIGNMENT * READ_ALIGNMENT;
	}
	return 1;
}

static enum round report_failure(struct encap *e, ssize_t result)
{
	counters_add(&e->counters, COUNTER_TUN_READ_ERRORS, 1);
	if (result == -EINVAL || result == -ENOMEM)
		return ROUND_MORE; /* about one packet, which is gone (tun_put_user()) */
	events_raise(&e->shared->events, EVENT_TUN_LOST, result == 0 ? EPIPE : (int)-result, 0);
	return ROUND_LOST;
}

enum round encap_round(struct encap *encap, bool first_only)
{
	ssize_t result = read_batch(encap, first_only ? 1 : MAX_READS);

	if (encap->count > 0) {
		/* After the reads: a packet that came after a new table goes by it. */
		encap_begin(encap);
		for (size_t i = 0; i < encap->count; i++)
			encap_packet(encap, encap->reads[i].at, encap->reads[i].bytes);
		encap_end(encap);
	}
	if (result == -EAGAIN)
		return ROUND_DONE;
	return result > 0 ? ROUND_MORE : report_failure(encap, result);
}
