#include "engine/send_batch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/message.h"
#include "engine/offload.h"

/* One read of the TUN may need two, and a batch of reads is as long as this. */
#define MAX_MESSAGES 64
/* Headers of some ten runs of 64 KiB; with more the batch is sent in between. */
#define HEADER_MEMORY_BYTES (64 * 1024)
/* As many as messages. Two peers of one slot that take turns get a message for each turn. */
#define PEER_SLOTS 64
/*
 * A pause for a full socket to drain, once for a whole batch: what is still refused then is
 * dropped, and the TUN's own queue holds what comes meanwhile. Below the 10 ms in which an engine
 * must stop.
 */
#define WAIT_MS 5

struct send_batch {
	struct shared *shared;
	struct counters *counters;
	size_t thread;
	int queue_fd;
	const struct fwd_table *table;
	uint64_t now_ms;
	bool has_waited;     /* for a full socket, in this send_batch_send() */
	size_t header_bytes; /* in use */
	size_t count;
	struct mmsghdr headers[MAX_MESSAGES];
	uint8_t newest[PEER_SLOTS]; /* message by its peer, plus 1 */
	struct message messages[MAX_MESSAGES];
	uint8_t header_memory[HEADER_MEMORY_BYTES];
};

int send_batch_create(struct shared *shared, struct counters *counters, size_t thread, size_t queue,
		      struct send_batch **batch)
{
	struct send_batch *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	b->shared = shared;
	b->counters = counters;
	b->thread = thread;
	b->queue_fd = shared->sockets.queue_fds[queue];
	*batch = b;
	return 0;
}

void send_batch_free(struct send_batch *batch)
{
	free(batch);
}

static void empty(struct send_batch *b)
{
	b->count = 0;
	b->header_bytes = 0;
	memset(b->newest, 0, sizeof(b->newest));
}

void send_batch_begin(struct send_batch *batch, const struct fwd_table *table)
{
	empty(batch);
	batch->table = table;
	batch->now_ms = offload_now_ms();
}

uint8_t *send_batch_header(struct send_batch *batch, size_t bytes)
{
	uint8_t *memory;

	if (batch->header_bytes + bytes > HEADER_MEMORY_BYTES)
		send_batch_send(batch);
	memory = batch->header_memory + batch->header_bytes;
	batch->header_bytes += bytes;
	return memory;
}

static int fd_of(const struct send_batch *b, uint32_t flow_hash)
{
	const struct sockets *sockets = &b->shared->sockets;

	return sockets->flow_ports == 0 ? b->queue_fd
					: sockets->flow_fds[flow_hash % sockets->flow_ports];
}

/* The kernel cuts only what fits the path's MTU; a longer datagram leaves in fragments, alone. */
static bool may_batch(const struct send_batch *b, uint32_t peer, size_t bytes)
{
	struct fwd_peer_state *state = fwd_table_peer(b->table, peer)->state;
	size_t longest = b->shared->rules.overlay_mtu + framing_bytes(&b->shared->framing);

	return b->shared->sends_batches && bytes <= longest &&
	       !offload_is_off(&state->single_until_ms, b->now_ms);
}

static struct message *open_message(struct send_batch *b, uint32_t peer, int fd, size_t bytes)
{
	struct message *message;

	if (b->count == MAX_MESSAGES) {
		size_t header_bytes = b->header_bytes; /* the datagram at hand lies there */

		send_batch_send(b);
		b->header_bytes = header_bytes;
	}
	message = &b->messages[b->count++];
	message_open(message, peer, fd, bytes, may_batch(b, peer, bytes));
	b->newest[peer % PEER_SLOTS] = (uint8_t)b->count;
	return message;
}

void send_batch_add(struct send_batch *batch, uint32_t peer, const struct send_datagram *datagram)
{
	int fd = fd_of(batch, datagram->flow_hash);
	uint8_t newest = batch->newest[peer % PEER_SLOTS];
	struct message *message = newest == 0 ? NULL : &batch->messages[newest - 1];

	if (message == NULL || !message_has_room(message, peer, fd, datagram->bytes))
		message = open_message(batch, peer, fd, datagram->bytes);
	message_add(message, datagram);
}

static const struct sockaddr_in *address_of(const struct send_batch *b,
					    const struct message *message)
{
	return &fwd_table_peer(b->table, message->peer)->address;
}

static void count_sent(struct send_batch *b, const struct message *message, uint32_t datagrams,
		       size_t inner_bytes)
{
	struct fwd_peer_state *state = fwd_table_peer(b->table, message->peer)->state;

	counters_add(b->counters, COUNTER_ENCAP_SENT, datagrams);
	counters_add(b->counters, COUNTER_ENCAP_BYTES, inner_bytes);
	peer_counters_add(&state->threads[b->thread].encap_packets, datagrams);
	peer_counters_add(&state->threads[b->thread].encap_bytes, inner_bytes);
}

static enum counter drop_of(int number)
{
	switch (number) {
	case EAGAIN:
	case ENOBUFS:
		return COUNTER_ENCAP_DROP_SEND_BUSY;
	case EMSGSIZE:
		return COUNTER_ENCAP_DROP_SEND_TOO_LONG;
	default:
		return COUNTER_ENCAP_DROP_SEND_FAILED;
	}
}

/* Whether to try a full socket again: once, after a pause. errno is EAGAIN afterwards. */
static bool may_retry(struct send_batch *b, int fd)
{
	bool is_first = !b->has_waited;

	b->has_waited = true;
	if (is_first)
		shared_wait(b->shared, fd, POLLOUT, WAIT_MS);
	errno = EAGAIN;
	return is_first;
}

/* Sends one datagram of a message; returns 0 or an errno. */
static int send_one(struct send_batch *b, const struct message *message, struct iovec *iov,
		    size_t iov_count)
{
	struct msghdr header = {
	    .msg_name = (void *)address_of(b, message),
	    .msg_namelen = sizeof(struct sockaddr_in),
	    .msg_iov = iov,
	    .msg_iovlen = iov_count,
	};

	for (;;) {
		if (sendmsg(message->fd, &header, MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EINTR && (errno != EAGAIN || !may_retry(b, message->fd)))
			return errno;
	}
}

/* The kernel refused the message as a whole: its datagrams, one by one. */
static void send_singly(struct send_batch *b, struct message *message)
{
	size_t left = message->bytes, at = 0;
	size_t framing = message->bytes - message->inner_bytes; /* of all datagrams */
	size_t framing_each = framing / message->datagrams;
	size_t sent = 0;

	while (left > 0) {
		size_t bytes = left < message->segment_bytes ? left : message->segment_bytes;
		size_t parts = 0, gathered = 0;
		int number;

		while (gathered < bytes)
			gathered += message->iov[at + parts++].iov_len;
		number = send_one(b, message, &message->iov[at], parts);
		if (number == 0) {
			count_sent(b, message, 1, bytes - framing_each);
			sent++;
		} else {
			counters_add(b->counters, drop_of(number), 1);
		}
		at += parts;
		left -= bytes;
	}
	/* Which of them failed is not worth knowing: at most as many as were sent. */
	counters_add(b->counters, COUNTER_ENCAP_CUT,
		     sent < message->cut_datagrams ? sent : message->cut_datagrams);
}

static void refuse_batch(struct send_batch *b, struct message *message, int number)
{
	struct fwd_peer_state *state = fwd_table_peer(b->table, message->peer)->state;

	counters_add(b->counters, COUNTER_OFFLOAD_REFUSED, 1);
	if (offload_switch_off(&state->single_until_ms, b->now_ms)) {
		counters_add(b->counters, COUNTER_OFFLOAD_DOWNGRADES, 1);
		if (!atomic_exchange(&state->is_refusal_told, true))
			events_raise(&b->shared->events, EVENT_BATCH_REFUSED, number,
				     fwd_table_peer(b->table, message->peer)->underlay);
	}
	send_singly(b, message);
}

/* What only several datagrams in one message can run into. */
static bool is_refusal_of_batch(const struct message *message, int number)
{
	return message->datagrams > 1 && (number == EIO || number == EINVAL || number == EMSGSIZE);
}

static void handle_failure(struct send_batch *b, struct message *message, int number)
{
	if (is_refusal_of_batch(message, number))
		refuse_batch(b, message, number);
	else
		counters_add(b->counters, drop_of(number), message->datagrams);
}

/* Messages from `first` on that leave by the same socket. */
static size_t same_socket(const struct send_batch *b, size_t first)
{
	size_t last = first;

	while (last < b->count && b->messages[last].fd == b->messages[first].fd)
		last++;
	return last - first;
}

static void count_message(struct send_batch *b, const struct message *message)
{
	count_sent(b, message, message->datagrams, message->inner_bytes);
	if (message->datagrams > 1)
		offload_works_again(
		    &fwd_table_peer(b->table, message->peer)->state->is_refusal_told);
	if (message->cut_datagrams > 0)
		counters_add(b->counters, COUNTER_ENCAP_CUT, message->cut_datagrams);
}

void send_batch_send(struct send_batch *batch)
{
	size_t at = 0;

	batch->has_waited = false;

	for (size_t i = 0; i < batch->count; i++)
		message_prepare(&batch->messages[i], address_of(batch, &batch->messages[i]),
				&batch->headers[i].msg_hdr);
	while (at < batch->count) {
		struct message *message = &batch->messages[at];
		int sent = sendmmsg(message->fd, &batch->headers[at],
				    (unsigned)same_socket(batch, at), MSG_DONTWAIT);

		if (sent > 0) {
			for (int i = 0; i < sent; i++)
				count_message(batch, &batch->messages[at++]);
		} else if (errno == EINTR) {
			continue;
		} else if (errno == EAGAIN && may_retry(batch, message->fd)) {
			continue;
		} else {
			handle_failure(batch, message, errno);
			at++;
		}
	}
	empty(batch);
}
