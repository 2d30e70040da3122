#include "engine/decap.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/offload.h"
#include "os/packet_io.h"
#include "packet/merge.h"

/* The longest datagram, or batch of them, is shorter. A round is half a megabyte and stays in the
 * core's own cache. */
#define MESSAGE_BYTES 65536

union segment_control {
	struct cmsghdr header;
	uint8_t bytes[CMSG_SPACE(sizeof(int))];
};

struct decap {
	struct shared *shared;
	struct counters counters;
	int tun_fd, socket_fd;
	size_t thread;
	const struct fwd_table *table; /* between decap_begin() and decap_end() */
	uint64_t now_ms;
	struct mmsghdr headers[DECAP_ROUND_MESSAGES];
	struct iovec iov[DECAP_ROUND_MESSAGES];
	struct sockaddr_in addresses[DECAP_ROUND_MESSAGES];
	union segment_control controls[DECAP_ROUND_MESSAGES];
	struct merge merge;
	uint8_t memory[DECAP_ROUND_MESSAGES][MESSAGE_BYTES];
};

int decap_create(struct shared *shared, int tun_fd, size_t queue, size_t thread,
		 struct decap **decap)
{
	struct decap *d = aligned_alloc(_Alignof(struct decap), sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	memset(d, 0, offsetof(struct decap, merge)); /* untouched memory stays the kernel's */
	d->shared = shared;
	d->tun_fd = tun_fd;
	d->socket_fd = shared->sockets.queue_fds[queue];
	d->thread = thread;
	for (size_t i = 0; i < DECAP_ROUND_MESSAGES; i++)
		d->iov[i] = (struct iovec){d->memory[i], MESSAGE_BYTES};
	*decap = d;
	return 0;
}

void decap_free(struct decap *decap)
{
	free(decap);
}

const struct counters *decap_counters(const struct decap *decap)
{
	return &decap->counters;
}

static struct peer_counters *counters_of(struct decap *d, uint32_t peer)
{
	return &fwd_table_peer(d->table, peer)->state->threads[d->thread];
}

static enum counter drop_of(int number)
{
	switch (number) {
	case EAGAIN:
		return COUNTER_DECAP_DROP_WRITE_BUSY;
	case EIO:
		return COUNTER_DECAP_DROP_DEVICE_DOWN;
	case EINVAL:
		return COUNTER_DECAP_DROP_WRITE_REFUSED;
	default:
		return COUNTER_DECAP_DROP_WRITE_FAILED;
	}
}

/* Writes one packet, with `iov[0]` for its virtio-net header. Returns 0 or an errno. */
static int write_packet(const struct decap *d, const struct iovec *iov, size_t count)
{
	size_t skipped = d->shared->has_vnet_header ? 0 : 1;

	for (;;) {
		if (writev(d->tun_fd, iov + skipped, (int)(count - skipped)) >= 0)
			return 0;
		if (errno != EINTR)
			return errno;
	}
}

static void count_written(struct decap *d, uint32_t peer, size_t packets, size_t bytes)
{
	counters_add(&d->counters, COUNTER_DECAP_DELIVERED, packets);
	counters_add(&d->counters, COUNTER_DECAP_BYTES, bytes);
	peer_counters_add(&counters_of(d, peer)->decap_packets, packets);
	peer_counters_add(&counters_of(d, peer)->decap_bytes, bytes);
}

/* The TUN refused the run as a whole: its packets, one by one. */
static void write_singly(struct decap *d, const struct merge_run *run)
{
	for (size_t i = 0; i < run->packets; i++) {
		struct virtio_net_hdr vnet = {0};
		struct iovec iov[] = {{&vnet, sizeof(vnet)}, run->originals[i]};
		int number = write_packet(d, iov, 2);

		if (number == 0)
			count_written(d, run->peer, 1, run->originals[i].iov_len);
		else
			counters_add(&d->counters, drop_of(number), 1);
	}
}

static void refuse_run(struct decap *d, const struct merge_run *run, int number)
{
	counters_add(&d->counters, COUNTER_OFFLOAD_REFUSED, 1);
	if (offload_switch_off(&d->shared->runs_off_until_ms, d->now_ms)) {
		counters_add(&d->counters, COUNTER_OFFLOAD_DOWNGRADES, 1);
		if (!atomic_exchange(&d->shared->is_run_refusal_told, true))
			events_raise(&d->shared->events, EVENT_RUN_REFUSED, number, 0);
	}
	write_singly(d, run);
}

static void write_run(struct decap *d, const struct merge_run *run)
{
	int number = write_packet(d, run->iov, run->iov_count);

	if (number == 0) {
		count_written(d, run->peer, run->packets, run->bytes);
		if (run->packets > 1) {
			counters_add(&d->counters, COUNTER_DECAP_MERGED, run->packets);
			offload_works_again(&d->shared->is_run_refusal_told);
		}
	} else if (number == EINVAL && run->packets > 1) {
		refuse_run(d, run, number);
	} else {
		counters_add(&d->counters, drop_of(number), run->packets);
	}
}

static void start_runs(struct decap *d)
{
	bool may_merge =
	    d->shared->has_vnet_header && !offload_is_off(&d->shared->runs_off_until_ms, d->now_ms);

	merge_reset(&d->merge, may_merge ? d->shared->merges : 0);
}

static void write_runs(struct decap *d)
{
	merge_finish(&d->merge);
	for (size_t i = 0; i < d->merge.count; i++)
		write_run(d, &d->merge.runs[i]);
	start_runs(d);
}

/* Tells a sender behind a peer that its packet's time was up: so traceroute shows this hop. */
static void answer(struct decap *d, uint32_t peer, const uint8_t *packet, const struct inner *inner)
{
	const struct shared *shared = d->shared;
	const struct fwd_peer *to = fwd_table_peer(d->table, peer);
	uint8_t error[FRAMING_MAX_BYTES + ICMP_ERROR_MAX_BYTES];
	size_t bytes = framing_bytes(&shared->framing);

	if (!fwd_is_host_of(d->table, peer, inner))
		return;
	if (!shared_may_answer(&d->shared->peer_errors, packet, inner, &d->counters))
		return;
	framing_write(&shared->framing, error, to->vtep_mac, inner->version);
	bytes +=
	    icmp_write(error + bytes, packet, inner, ICMP_TIME_EXCEEDED, &shared->icmp_sender, 0);
	if (sendto(d->socket_fd, error, bytes, MSG_DONTWAIT, (const struct sockaddr *)&to->address,
		   sizeof(to->address)) < 0)
		counters_add(&d->counters, COUNTER_ICMP_FAILED, 1);
	else
		counters_add(&d->counters, COUNTER_ICMP_SENT, 1);
}

static void drop(struct decap *d, uint32_t peer, enum counter outcome)
{
	counters_add(&d->counters, outcome, 1);
	peer_counters_add(&counters_of(d, peer)->decap_dropped, 1);
}

static void carry(struct decap *d, uint32_t peer, uint8_t *datagram, size_t bytes)
{
	size_t framing = framing_bytes(&d->shared->framing);
	uint8_t *packet = datagram + framing;
	struct packet_verdict verdict;
	struct inner inner;
	uint8_t version;
	enum counter outcome = framing_read(&d->shared->framing, datagram, bytes, &version);

	if (outcome != COUNTER_DECAP_DELIVERED) {
		drop(d, peer, outcome);
		return;
	}
	outcome = check_decap(packet, bytes - framing, version, peer, &d->shared->rules, d->table,
			      &inner, &verdict);
	if (outcome != COUNTER_DECAP_DELIVERED) {
		drop(d, peer, outcome);
		if (outcome == COUNTER_DECAP_DROP_TTL)
			answer(d, peer, packet, &inner);
		return;
	}
	if (verdict.is_foreign_source)
		counters_add(&d->counters, COUNTER_DECAP_FOREIGN_SOURCE, 1);
	inner_take_hop(packet);
	if (!merge_add(&d->merge, packet, &inner, peer)) {
		write_runs(d);
		merge_add(&d->merge, packet, &inner, peer);
	}
}

void decap_begin(struct decap *decap)
{
	decap->table = fwd_slot_borrow(decap->shared->tables, decap->thread);
	decap->now_ms = offload_now_ms();
	start_runs(decap);
}

void decap_message(struct decap *decap, uint32_t underlay, uint8_t *datagrams, size_t bytes,
		   size_t segment_bytes)
{
	uint32_t peer = fwd_peer_of_underlay(decap->table, underlay);
	size_t each = segment_bytes == 0 ? bytes : segment_bytes;
	size_t at = 0;

	/* A datagram of no bytes is one as well. */
	do {
		size_t length = bytes - at < each ? bytes - at : each;

		if (peer == FWD_NO_PEER)
			counters_add(&decap->counters, COUNTER_DECAP_DROP_STRANGER, 1);
		else
			carry(decap, peer, datagrams + at, length);
		at += each;
	} while (at < bytes);
}

void decap_end(struct decap *decap)
{
	write_runs(decap);
	fwd_slot_give_back(decap->shared->tables, decap->thread);
	decap->table = NULL;
}

/* Length of the datagrams of one message; 0 when there is just one. */
static size_t segment_bytes_of(struct msghdr *header)
{
	const struct cmsghdr *control = CMSG_FIRSTHDR(header);
	int bytes;

	if (control == NULL || control->cmsg_level != IPPROTO_UDP || control->cmsg_type != UDP_GRO)
		return 0;
	memcpy(&bytes, CMSG_DATA(control), sizeof(bytes));
	return bytes > 0 ? (size_t)bytes : 0;
}

static int receive(struct decap *d)
{
	for (size_t i = 0; i < DECAP_ROUND_MESSAGES; i++)
		d->headers[i].msg_hdr =
		    (struct msghdr){.msg_name = &d->addresses[i],
				    .msg_namelen = sizeof(d->addresses[i]),
				    .msg_iov = &d->iov[i],
				    .msg_iovlen = 1,
				    .msg_control = d->controls[i].bytes,
				    .msg_controllen = sizeof(d->controls[i].bytes)};
	return recvmmsg(d->socket_fd, d->headers, DECAP_ROUND_MESSAGES, MSG_DONTWAIT, NULL);
}

static void carry_messages(struct decap *d, size_t count)
{
	/* After the receive: a datagram that came after a new table goes by it. */
	decap_begin(d);
	for (size_t i = 0; i < count; i++)
		decap_message(d, ntohl(d->addresses[i].sin_addr.s_addr), d->memory[i],
			      d->headers[i].msg_len, segment_bytes_of(&d->headers[i].msg_hdr));
	decap_end(d);
}

size_t decap_round(struct decap *decap)
{
	int count = receive(decap);

	if (count > 0) {
		carry_messages(decap, (size_t)count);
		return (size_t)count;
	}
	if (count < 0 && errno != EAGAIN && errno != EINTR)
		counters_add(&decap->counters, COUNTER_SOCKET_ERRORS, 1);
	return 0;
}
