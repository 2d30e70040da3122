#include "engine/engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/carrier.h"
#include "engine/offload.h"
#include "engine/shared.h"
#include "packet/merge.h"

struct engine {
	struct shared shared;
	uint16_t peer_port;
	size_t queue_count;
	int tun_fds[SOCKETS_MAX_QUEUES];
	struct carrier *carriers[SOCKETS_MAX_QUEUES];
	pthread_mutex_t join_lock;
	bool is_closed;
};

/* Signals are for the threads of Node.js: ours inherit a mask without any. */
static int start_threads(struct engine *engine)
{
	sigset_t all, before;
	int ret = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t i = 0; ret == 0 && i < engine->queue_count; i++)
		ret = carrier_start(engine->carriers[i], i);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

static int open_wake_ups(struct shared *shared)
{
	shared->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared->events.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return shared->stop_fd < 0 || shared->events.fd < 0 ? -errno : 0;
}

/* No loopback to try it on says nothing: the first refused batch will. */
static bool find_batches(const struct engine_options *options)
{
	int ret = options->batches ? offload_try_batches() : -ENOPROTOOPT;

	return ret == 0 || ret == -ENETUNREACH;
}

static void set_up(struct engine *engine, const struct engine_options *options)
{
	struct shared *shared = &engine->shared;

	shared->framing = options->framing;
	shared->rules = options->rules;
	shared->icmp_sender = options->icmp_sender;
	shared->has_vnet_header = options->has_vnet_header;
	shared->sends_batches = find_batches(options);
	shared->merges = MERGE_TCP | (options->takes_udp_runs ? MERGE_UDP : 0);
	shared->stop_fd = shared->events.fd = -1;
	engine->peer_port = options->peer_port;
	engine->queue_count = options->queues;
	for (size_t i = 0; i < options->queues; i++)
		engine->tun_fds[i] = options->tun_fds[i];
	pthread_mutex_init(&engine->join_lock, NULL);
}

void engine_close_given(const struct engine_options *options)
{
	for (size_t i = 0; i < options->queues; i++)
		close(options->tun_fds[i]);
	if (options->socket_fd >= 0)
		close(options->socket_fd);
}

int engine_open(const struct engine_options *options, struct engine **engine)
{
	struct engine *e = calloc(1, sizeof(*e));
	struct sockets_options sockets;
	int ret;

	if (e == NULL) {
		engine_close_given(options);
		return -ENOMEM;
	}
	set_up(e, options);
	sockets = (struct sockets_options){.fd = options->socket_fd,
					   .queues = options->queues,
					   .receives_batches = e->shared.sends_batches,
					   .spreads_flows = options->spreads_flows};
	ret = sockets_open(&e->shared.sockets, &sockets);
	if (ret == 0)
		ret = open_wake_ups(&e->shared);
	if (ret == 0)
		ret = fwd_slot_create(2 * options->queues, &e->shared.tables);
	for (size_t i = 0; ret == 0 && i < options->queues; i++)
		ret = carrier_create(&e->shared, options->tun_fds[i], i, &e->carriers[i]);
	if (ret == 0)
		ret = start_threads(e);
	if (ret < 0) {
		engine_free(e);
		return ret;
	}
	*engine = e;
	return 0;
}

bool engine_has_batches(const struct engine *engine)
{
	return engine->shared.sends_batches;
}

static int compare_addresses(const void *a, const void *b)
{
	uint32_t left, right;

	memcpy(&left, a, sizeof(left));
	memcpy(&right, b, sizeof(right));
	return (left > right) - (left < right);
}

/* Returns 0 or -ENOMEM. That the kernel takes no program costs speed, not the table: it is an
 * event. */
static int admit_peers(struct engine *engine, const struct fwd_table *table)
{
	size_t count = fwd_table_count(table);
	uint32_t *addresses = malloc((count + 1) * sizeof(*addresses));
	int ret;

	if (addresses == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		addresses[i] = fwd_table_peer(table, (uint32_t)i)->underlay;
	qsort(addresses, count, sizeof(*addresses), compare_addresses);
	ret = sockets_admit(&engine->shared.sockets, addresses, count);
	free(addresses);
	if (ret < 0)
		events_raise(&engine->shared.events, EVENT_STRANGERS_ADMITTED, -ret, 0);
	return 0;
}

int engine_replace_table(struct engine *engine, const struct fwd_entry *entries, size_t count)
{
	struct fwd_slot *slot = engine->shared.tables;
	struct fwd_table *table;
	int ret = fwd_table_create(entries, count, engine->peer_port, 2 * engine->queue_count,
				   fwd_slot_newest(slot), &table);

	if (ret < 0)
		return ret;
	/* A new peer gets through when both the program and the table know it, a former one no
	 * longer. */
	ret = engine->is_closed ? 0 : admit_peers(engine, table);
	if (ret < 0) {
		fwd_table_free(table);
		return ret;
	}
	fwd_slot_replace(slot, table);
	return 0;
}

static void add_counters(const struct counters *counters, uint64_t out[COUNTER_COUNT])
{
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		out[i] += atomic_load_explicit(&counters->values[i], memory_order_relaxed);
}

void engine_read_counters(struct engine *engine, uint64_t out[COUNTER_COUNT])
{
	memset(out, 0, COUNTER_COUNT * sizeof(*out));
	for (size_t i = 0; i < engine->queue_count; i++) {
		add_counters(carrier_encap_counters(engine->carriers[i]), out);
		add_counters(carrier_decap_counters(engine->carriers[i]), out);
	}
	sockets_count_drops(&engine->shared.sockets);
	out[COUNTER_DECAP_DROP_STRANGER] += engine->shared.sockets.stranger_drops;
	out[COUNTER_DECAP_DROP_QUEUE_FULL] += engine->shared.sockets.queue_drops;
}

size_t engine_peer_count(const struct engine *engine)
{
	return fwd_table_count(fwd_slot_newest(engine->shared.tables));
}

struct engine_peer_counters engine_read_peer(const struct engine *engine, uint32_t peer)
{
	const struct fwd_peer_state *state =
	    fwd_table_peer(fwd_slot_newest(engine->shared.tables), peer)->state;
	struct engine_peer_counters sum = {0};

	for (size_t i = 0; i < 2 * engine->queue_count; i++) {
		const struct peer_counters *one = &state->threads[i];

		sum.encap_packets +=
		    atomic_load_explicit(&one->encap_packets, memory_order_relaxed);
		sum.encap_bytes += atomic_load_explicit(&one->encap_bytes, memory_order_relaxed);
		sum.decap_packets +=
		    atomic_load_explicit(&one->decap_packets, memory_order_relaxed);
		sum.decap_bytes += atomic_load_explicit(&one->decap_bytes, memory_order_relaxed);
		sum.decap_dropped +=
		    atomic_load_explicit(&one->decap_dropped, memory_order_relaxed);
	}
	return sum;
}

int engine_event_fd(const struct engine *engine)
{
	return engine->shared.events.fd;
}

int engine_take_event(struct engine *engine, enum event event, uint32_t *about)
{
	return events_take(&engine->shared.events, event, about);
}

void engine_stop(struct engine *engine)
{
	if (atomic_exchange(&engine->shared.is_stopping, true))
		return;
	if (engine->shared.stop_fd >= 0)
		eventfd_write(engine->shared.stop_fd,
			      1); /* nobody reads it: it wakes every thread */
}

void engine_join(struct engine *engine)
{
	engine_stop(engine);
	pthread_mutex_lock(&engine->join_lock);
	for (size_t i = 0; i < engine->queue_count; i++) {
		carrier_join(engine->carriers[i]);
		/* Here already: the kernel lets a device go only after some 20 ms
		 * (synchronize_net). */
		if (engine->tun_fds[i] >= 0)
			close(engine->tun_fds[i]);
		engine->tun_fds[i] = -1;
	}
	pthread_mutex_unlock(&engine->join_lock);
}

void engine_close(struct engine *engine)
{
	struct shared *shared = &engine->shared;

	engine_join(engine);
	if (engine->is_closed)
		return;
	engine->is_closed = true;
	sockets_count_drops(&shared->sockets);
	sockets_close(&shared->sockets);
	for (size_t i = 0; i < engine->queue_count; i++) {
		if (engine->carriers[i] != NULL)
			carrier_close(engine->carriers[i]);
	}
	if (shared->stop_fd >= 0)
		close(shared->stop_fd);
	if (shared->events.fd >= 0)
		close(shared->events.fd);
	shared->stop_fd = shared->events.fd = -1;
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	engine_close(engine);
	for (size_t i = 0; i < engine->queue_count; i++)
		carrier_free(engine->carriers[i]);
	fwd_slot_free(engine->shared.tables);
	pthread_mutex_destroy(&engine->join_lock);
	free(engine);
}
