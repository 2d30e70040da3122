/*
 * Datagrams on their way to peers, gathered and sent with as few system calls as possible:
 * those of equal length to one peer become one message that the kernel cuts (UDP_SEGMENT, kernel
 * 4.18), and all messages go in one sendmmsg(). Owned by one thread. Nothing is copied: what a
 * datagram consists of must stay until the batch is sent.
 */
#ifndef TWILL_SEND_BATCH_H
#define TWILL_SEND_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/message.h"
#include "engine/shared.h"

struct send_batch;

/*
 * A batch for the thread with this index in the peers' counters, which sends on sockets.queue_fds
 * [queue] or, where flows are spread, on sockets.flow_fds. Returns 0 or -ENOMEM.
 */
int send_batch_create(struct shared *shared, struct counters *counters, size_t thread, size_t queue,
		      struct send_batch **batch);
void send_batch_free(struct send_batch *batch);

/* Start anew with the table that the peers of the coming datagrams are of. */
void send_batch_begin(struct send_batch *batch, const struct fwd_table *table);

/*
 * Memory for headers, valid until the batch is sent, which this call does when it has no more.
 * `bytes` is at most that of framing and IP and TCP headers.
 */
uint8_t *send_batch_header(struct send_batch *batch, size_t bytes);

/* Add a datagram to peer `peer`; sends what there is when it has no more room. */
void send_batch_add(struct send_batch *batch, uint32_t peer, const struct send_datagram *datagram);

/* Send all that was added, and count how each datagram ended. */
void send_batch_send(struct send_batch *batch);

#endif
