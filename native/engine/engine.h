/*
 * The packet engine: two threads for each queue, TUN to UDP and UDP to TUN, with all they need.
 * Functions are for one control thread; none waits for a packet thread but those that end it.
 */
#ifndef TWILL_ENGINE_H
#define TWILL_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/events.h"
#include "engine/fwd_table.h"
#include "engine/sockets.h"
#include "packet/check.h"
#include "packet/framing.h"
#include "packet/icmp_error.h"

struct engine_options {
	int tun_fds[SOCKETS_MAX_QUEUES]; /* non-blocking; the engine's from here on */
	size_t queues;			 /* 1 to SOCKETS_MAX_QUEUES */
	int socket_fd;			 /* bound IPv4 UDP socket, non-blocking; the engine's */
	uint16_t peer_port;		 /* host order */
	bool has_vnet_header;		 /* of the TUN; 10 bytes */
	bool takes_udp_runs;		 /* the TUN, in one write */
	bool batches;			 /* UDP_SEGMENT and UDP_GRO, if the kernel has them */
	bool spreads_flows;		 /* over source ports */
	struct framing framing;
	struct packet_rules rules;
	struct icmp_sender icmp_sender;
};

struct engine;

/* Packets and bytes of one peer, of all threads. */
struct engine_peer_counters {
	uint64_t encap_packets, encap_bytes, decap_packets, decap_bytes, decap_dropped;
};

/*
 * Start an engine that knows no peer yet. Returns 0, or a negative errno with every descriptor of
 * the options closed: -EINVAL when one is not what it should be.
 */
int engine_open(const struct engine_options *options, struct engine **engine);

/* Close the descriptors of options that no engine was opened with. */
void engine_close_given(const struct engine_options *options);

/* Whether several datagrams go in one message: asked for, and found to work at the start. */
bool engine_has_batches(const struct engine *engine);

/* Replace the forwarding table. Returns 0, or what fwd_table_create() returns: the old one stays
 * then. */
int engine_replace_table(struct engine *engine, const struct fwd_entry *entries, size_t count);

/* Sums over all threads, in the order of enum counter. */
void engine_read_counters(struct engine *engine, uint64_t out[COUNTER_COUNT]);

/* Number of peers in the newest table, and the counters of one of them. */
size_t engine_peer_count(const struct engine *engine);
struct engine_peer_counters engine_read_peer(const struct engine *engine, uint32_t peer);

/* Readable after an event; read it away (8 bytes), then ask for each event. */
int engine_event_fd(const struct engine *engine);
int engine_take_event(struct engine *engine, enum event event, uint32_t *about);

/* Tell every thread to end after the batch at hand, at most some milliseconds. Does not wait. */
void engine_stop(struct engine *engine);

/*
 * Wait for the threads, which it stops if nobody has, and close the TUN, which takes some 20 ms. On
 * any thread, so that the control thread need not wait; twice is no error.
 */
void engine_join(struct engine *engine);

/* Joins, and closes every other descriptor. Counters can be read and tables replaced still. Twice
 * is no error. */
void engine_close(struct engine *engine);

/* Closes, and frees everything. NULL is no error. */
void engine_free(struct engine *engine);

#endif
