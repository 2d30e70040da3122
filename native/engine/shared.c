#include "engine/shared.h"

#include <poll.h>
#include <time.h>

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool shared_may_answer(struct shared_icmp_limit *limit, const uint8_t *packet,
		       const struct inner *inner, struct counters *counters)
{
	bool may = false;

	if (!icmp_may_answer(packet, inner))
		return false;
	if (!atomic_flag_test_and_set_explicit(&limit->is_used, memory_order_acquire)) {
		may = icmp_limit_allow(&limit->limit, inner, now_us());
		atomic_flag_clear_explicit(&limit->is_used, memory_order_release);
	}
	if (!may)
		counters_add(counters, COUNTER_ICMP_RATE_LIMITED, 1);
	return may;
}

bool shared_wait(const struct shared *shared, int fd, short events, int timeout_ms)
{
	struct pollfd fds[] = {{.fd = fd, .events = events},
			       {.fd = shared->stop_fd, .events = POLLIN}};

	poll(fds, 2,
	     timeout_ms); /* an error or a signal is as good as a wake-up: the caller looks again */
	return !atomic_load_explicit(&shared->is_stopping, memory_order_relaxed);
}
