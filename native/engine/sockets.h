/*
 * The UDP sockets of an engine, all on one address and port: one for each queue, and one in the
 * kernel only, which takes what strangers send and drops it (stranger_filter.h).
 */
#ifndef TWILL_SOCKETS_H
#define TWILL_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKETS_MAX_QUEUES 16
/* Ports that flows are spread over: more than a network card commonly has queues for one port. */
#define SOCKETS_FLOW_PORTS 16

struct sockets_options {
	int fd;		       /* bound IPv4 UDP socket, non-blocking; ours from here on */
	size_t queues;	       /* 1 to SOCKETS_MAX_QUEUES */
	bool receives_batches; /* UDP_GRO on every queue's socket (kernel 5.0) */
	bool spreads_flows; /* datagrams leave from SOCKETS_FLOW_PORTS ports, not from the bound one
			     */
};

struct sockets {
	int queue_fds[SOCKETS_MAX_QUEUES];
	size_t queues;
	int stranger_fd; /* -1: none, strangers are dropped by the engine alone */
	int flow_fds[SOCKETS_FLOW_PORTS];
	size_t flow_ports; /* 0: fixed port */
	/*
	 * What the kernel's 32-bit counters said last, and the sums; control thread only. Datagrams
	 * that the kernel or a network card joined count once.
	 */
	uint32_t queue_drops_seen[SOCKETS_MAX_QUEUES], stranger_drops_seen;
	uint64_t queue_drops, stranger_drops;
};

/*
 * Open the sockets around the given one. Returns 0, or a negative errno with every descriptor
 * closed, also the given one: -EINVAL when it is not an IPv4 UDP socket. A second agent still
 * cannot bind the port, for its first bind is exclusive; a process of the same user that sets
 * SO_REUSEPORT could join, but such a one could as well read our memory.
 */
int sockets_open(struct sockets *sockets, const struct sockets_options *options);

/*
 * Let only these underlay addresses (host order, ascending, without repeats) reach the queues.
 * Some strangers pass when there are more addresses than a program can hold. When the kernel takes
 * no program (a limit on the memory of its compiler, say) everybody does from then on: strangers
 * cost more, and are still refused by the engine. Returns 0, or once a negative errno that says so.
 */
int sockets_admit(struct sockets *sockets, const uint32_t *addresses, size_t count);

/* Bring queue_drops and stranger_drops up to date. Call it more often than 2^32 drops can happen.
 */
void sockets_count_drops(struct sockets *sockets);

/* Close every descriptor; the sums stay. Twice is no error. */
void sockets_close(struct sockets *sockets);

#endif
