#include "engine/carrier.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/decap.h"
#include "engine/encap.h"
#include "engine/offload.h"

/* The deepest call has an ICMP error on its stack, and glibc wants some for itself. */
#define STACK_BYTES (128 * 1024)
/* Full rounds in a row after which one thread is not enough: a burst of a millisecond has fewer. */
#define HAND_OVER_ROUNDS 4
/*
 * When to give back: fewer messages than this in such a time is what one thread does on the side,
 * and the time is long enough that a pause within a transfer does not end it.
 */
#define GIVE_BACK_MS 20
#define GIVE_BACK_MESSAGES 100

/* What the first thread waits for, as bits. */
enum source {
	SOURCE_TUN = 1,
	SOURCE_SOCKET = 2,
	SOURCE_GIVEN_BACK = 4,
	SOURCE_STOP = 8,
};

struct carrier {
	struct shared *shared;
	int tun_fd, socket_fd;
	struct encap *encap; /* the first thread's */
	struct decap *decap; /* the first thread's, or the second's while is_handed_over */
	atomic_bool is_handed_over;
	int handed_over_fd, given_back_fd; /* eventfds: wake the second, wake the first */
	int epoll_fd;
	bool is_tun_lost; /* the first thread's */
	pthread_t threads[2];
	size_t thread_count; /* that were started */
};

static bool is_stopping(const struct carrier *c)
{
	return atomic_load_explicit(&c->shared->is_stopping, memory_order_relaxed);
}

static bool has_decap(struct carrier *c)
{
	return !atomic_load_explicit(&c->is_handed_over, memory_order_acquire);
}

static int watch(const struct carrier *c, int operation, int fd, enum source source,
		 uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u32 = source};

	return epoll_ctl(c->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

static int watch_everything(const struct carrier *c)
{
	int ret = watch(c, EPOLL_CTL_ADD, c->tun_fd, SOURCE_TUN, EPOLLIN);

	if (ret == 0)
		ret = watch(c, EPOLL_CTL_ADD, c->socket_fd, SOURCE_SOCKET, EPOLLIN);
	if (ret == 0)
		ret = watch(c, EPOLL_CTL_ADD, c->given_back_fd, SOURCE_GIVEN_BACK, EPOLLIN);
	if (ret == 0)
		ret = watch(c, EPOLL_CTL_ADD, c->shared->stop_fd, SOURCE_STOP, EPOLLIN);
	return ret;
}

static void lose_tun(struct carrier *c)
{
	c->is_tun_lost = true;
	watch(c, EPOLL_CTL_DEL, c->tun_fd, SOURCE_TUN, 0);
}

static void hand_over(struct carrier *c)
{
	watch(c, EPOLL_CTL_MOD, c->socket_fd, SOURCE_SOCKET, 0);
	atomic_store_explicit(&c->is_handed_over, true, memory_order_release);
	eventfd_write(c->handed_over_fd, 1);
}

static void give_back(struct carrier *c)
{
	atomic_store_explicit(&c->is_handed_over, false, memory_order_release);
	eventfd_write(c->given_back_fd, 1);
}

/* Waits until a direction that the first thread has can be read, or for a change of any kind;
 * returns enum source bits. */
static uint32_t wait_for_work(struct carrier *c)
{
	struct epoll_event events[4];
	int count = epoll_wait(c->epoll_fd, events, 4, -1);
	uint32_t ready = 0;
	eventfd_t ignored;

	for (int i = 0; i < count; i++)
		ready |= events[i].data.u32;
	if ((ready & SOURCE_GIVEN_BACK) != 0) {
		eventfd_read(c->given_back_fd, &ignored);
		/* It may be handed over again since. */
		if (has_decap(c))
			watch(c, EPOLL_CTL_MOD, c->socket_fd, SOURCE_SOCKET, EPOLLIN);
	}
	return ready;
}

static void run_first(struct carrier *c)
{
	uint32_t ready = SOURCE_TUN | SOURCE_SOCKET;
	bool is_first = false;
	unsigned full_rounds = 0;

	while (!is_stopping(c)) {
		bool is_full = false, has_more = false;

		if ((ready & SOURCE_SOCKET) != 0 && has_decap(c)) {
			size_t count = decap_round(c->decap);

			is_full = has_more = count == DECAP_ROUND_MESSAGES;
			/* What answers on this host has done so by now. */
			ready |= count > 0 ? SOURCE_TUN : 0;
		}
		if ((ready & SOURCE_TUN) != 0 && !c->is_tun_lost) {
			/* After a pause the first packet leaves at once; a look for more comes
			 * after it. */
			enum round round = encap_round(c->encap, is_first);

			has_more |= round == ROUND_MORE;
			is_full |= round == ROUND_MORE && !is_first;
			if (round == ROUND_LOST)
				lose_tun(c);
		}
		full_rounds = is_full ? full_rounds + 1 : 0;
		if (full_rounds >= HAND_OVER_ROUNDS && has_decap(c))
			hand_over(c);
		is_first = !has_more;
		ready = has_more ? SOURCE_TUN | SOURCE_SOCKET : wait_for_work(c);
	}
}

/* Carries from UDP to TUN until there is little to do. */
static void run_handed_over(struct carrier *c)
{
	uint64_t since_ms = offload_now_ms();
	size_t messages = 0;

	while (!is_stopping(c)) {
		size_t count = decap_round(c->decap);
		uint64_t now_ms;

		messages += count;
		if (count == DECAP_ROUND_MESSAGES)
			continue;
		shared_wait(c->shared, c->socket_fd, POLLIN, GIVE_BACK_MS);
		now_ms = offload_now_ms();
		if (now_ms - since_ms < GIVE_BACK_MS)
			continue;
		if (messages < GIVE_BACK_MESSAGES)
			break;
		since_ms = now_ms;
		messages = 0;
	}
	give_back(c);
}

static void run_second(struct carrier *c)
{
	eventfd_t ignored;

	while (shared_wait(c->shared, c->handed_over_fd, POLLIN, -1)) {
		if (eventfd_read(c->handed_over_fd, &ignored) == 0)
			run_handed_over(c);
	}
}

static void *first_thread(void *carrier)
{
	run_first(carrier);
	return NULL;
}

static void *second_thread(void *carrier)
{
	run_second(carrier);
	return NULL;
}

int carrier_create(struct shared *shared, int tun_fd, size_t queue, struct carrier **carrier)
{
	struct carrier *c = calloc(1, sizeof(*c));
	int ret;

	if (c == NULL)
		return -ENOMEM;
	c->shared = shared;
	c->tun_fd = tun_fd;
	c->socket_fd = shared->sockets.queue_fds[queue];
	c->handed_over_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->given_back_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ret = c->handed_over_fd < 0 || c->given_back_fd < 0 || c->epoll_fd < 0 ? -errno : 0;
	if (ret == 0)
		ret = watch_everything(c);
	if (ret == 0)
		ret = encap_create(shared, tun_fd, queue, 2 * queue, &c->encap);
	if (ret == 0)
		ret = decap_create(shared, tun_fd, queue, 2 * queue + 1, &c->decap);
	if (ret < 0) {
		carrier_free(c);
		return ret;
	}
	*carrier = c;
	return 0;
}

static int start_thread(struct carrier *c, void *(*run)(void *), size_t queue)
{
	pthread_t *thread = &c->threads[c->thread_count];
	pthread_attr_t attributes;
	char name[16]; /* TASK_COMM_LEN */
	int ret;

	ret = pthread_attr_init(&attributes);
	if (ret != 0)
		return -ret;
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	ret = pthread_create(thread, &attributes, run, c);
	pthread_attr_destroy(&attributes);
	if (ret != 0)
		return -ret;
	snprintf(name, sizeof(name), "twill-%u-%u", (unsigned)(queue & 0xff),
		 (unsigned)(c->thread_count & 1));
	pthread_setname_np(*thread, name);
	c->thread_count++;
	return 0;
}

int carrier_start(struct carrier *carrier, size_t queue)
{
	int ret = start_thread(carrier, first_thread, queue);

	return ret < 0 ? ret : start_thread(carrier, second_thread, queue);
}

void carrier_join(struct carrier *carrier)
{
	while (carrier != NULL && carrier->thread_count > 0)
		pthread_join(carrier->threads[--carrier->thread_count], NULL);
}

void carrier_close(struct carrier *carrier)
{
	int *fds[] = {&carrier->handed_over_fd, &carrier->given_back_fd, &carrier->epoll_fd};

	for (size_t i = 0; i < 3; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

void carrier_free(struct carrier *carrier)
{
	if (carrier == NULL)
		return;
	carrier_close(carrier);
	encap_free(carrier->encap);
	decap_free(carrier->decap);
	free(carrier);
}

const struct counters *carrier_encap_counters(const struct carrier *carrier)
{
	return encap_counters(carrier->encap);
}

const struct counters *carrier_decap_counters(const struct carrier *carrier)
{
	return decap_counters(carrier->decap);
}
