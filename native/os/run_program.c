#include "os/run_program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/spawn_program.h"

/* As much as a pipe holds by default, and so one read at the most. */
#define FIRST_CAPACITY 65536
/*
 * Between the end of its outputs and its own a program has little to do, but a descriptor that
 * tells of the end (pidfd_open(2)) came with Linux 5.3 only. The pauses double up to the longest.
 */
#define FIRST_PAUSE_US 50
#define LONGEST_PAUSE_US 10000
#define US_PER_MS 1000
#define NS_PER_US 1000
#define NS_PER_MS 1000000

struct run {
	const struct run_program_options *options;
	struct run_program_result *result;
	struct spawned_program program;
	size_t fed; /* of the input */
	int64_t deadline_ms;
	bool is_gone; /* and waited for: its number may be another's by now */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

static int left_ms(const struct run *run)
{
	int64_t left = run->deadline_ms - now_ms();

	return left > 0 ? (int)left : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool is_for_later(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* A program that does not want the rest of its input has its reasons; its status tells them. */
static void feed(struct run *run)
{
	size_t left = run->options->input_size - run->fed;
	ssize_t n = 0;

	if (left > 0)
		n = write(run->program.input_fd, run->options->input + run->fed, left);
	if (is_for_later(n))
		return;
	if (n > 0)
		run->fed += (size_t)n;
	if (n < 0 || run->fed == run->options->input_size)
		close_fd(&run->program.input_fd);
}

static int make_room(struct run_program_output *output)
{
	size_t capacity = output->capacity == 0 ? FIRST_CAPACITY : 2 * output->capacity;
	char *data;

	if (output->size < output->capacity)
		return 0;
	data = realloc(output->data, capacity);
	if (data == NULL)
		return -ENOMEM;
	output->data = data;
	output->capacity = capacity;
	return 0;
}

/* One read. Returns an enum run_program_end, or a negative errno; closes the output at its end. */
static int collect(struct run *run, int index, bool *is_read)
{
	struct run_program_output *output = &run->result->outputs[index];
	int *fd = &run->program.output_fds[index];
	int ret = make_room(output);
	ssize_t n;

	*is_read = false;
	if (ret < 0)
		return ret;
	n = read(*fd, output->data + output->size, output->capacity - output->size);
	if (is_for_later(n))
		return RUN_PROGRAM_ENDED;
	if (n <= 0) {
		close_fd(fd);
		return RUN_PROGRAM_ENDED;
	}
	*is_read = true;
	output->size += (size_t)n;
	return output->size > run->options->max_output_bytes ? RUN_PROGRAM_TOO_MUCH
							     : RUN_PROGRAM_ENDED;
}

/* Until the program has let go of its three streams. Returns as collect() does. */
static int exchange(struct run *run)
{
	struct spawned_program *program = &run->program;
	int *outputs = program->output_fds;
	int ret = RUN_PROGRAM_ENDED;
	bool is_read;

	while (program->input_fd >= 0 || outputs[0] >= 0 || outputs[1] >= 0) {
		struct pollfd fds[] = {{.fd = outputs[0], .events = POLLIN},
				       {.fd = outputs[1], .events = POLLIN},
				       {.fd = program->input_fd, .events = POLLOUT},
				       {.fd = run->options->stop_fd, .events = POLLIN}};

		if (poll(fds, sizeof(fds) / sizeof(fds[0]), left_ms(run)) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[3].revents != 0)
			return RUN_PROGRAM_STOPPED;
		if (fds[2].revents != 0)
			feed(run);
		for (int i = 0; ret == RUN_PROGRAM_ENDED && i < 2; i++) {
			if (fds[i].revents != 0)
				ret = collect(run, i, &is_read);
		}
		if (ret != RUN_PROGRAM_ENDED)
			return ret;
		if (left_ms(run) == 0)
			return RUN_PROGRAM_TOO_LONG;
	}
	return RUN_PROGRAM_ENDED;
}

static bool is_stopped_within(const struct run *run, long pause_us)
{
	struct pollfd stop = {.fd = run->options->stop_fd, .events = POLLIN};
	struct timespec pause = {.tv_nsec = pause_us * NS_PER_US};

	return ppoll(&stop, 1, &pause, NULL) > 0;
}

/* True when it is gone, or when that is not for us to see: then `*ret` is a negative errno. */
static bool wait_for(struct run *run, int options, int *ret)
{
	pid_t pid;

	do {
		pid = waitpid(run->program.pid, &run->result->status, options);
	} while (pid < 0 && errno == EINTR);
	if (pid < 0)
		*ret = -errno;
	run->is_gone = pid != 0;
	return run->is_gone;
}

/* Returns as exchange() does. */
static int await_end(struct run *run)
{
	int ret = RUN_PROGRAM_ENDED;
	long pause_us = FIRST_PAUSE_US;

	while (!wait_for(run, WNOHANG, &ret)) {
		if (left_ms(run) == 0)
			return RUN_PROGRAM_TOO_LONG;
		if (is_stopped_within(run, pause_us))
			return RUN_PROGRAM_STOPPED;
		pause_us = pause_us * 2 < LONGEST_PAUSE_US ? pause_us * 2 : LONGEST_PAUSE_US;
	}
	return ret;
}

/* What the pipes still hold. */
static int collect_rest(struct run *run)
{
	int ret = RUN_PROGRAM_ENDED;

	for (int i = 0; i < 2; i++) {
		bool is_read = run->program.output_fds[i] >= 0;

		while (is_read && ret == RUN_PROGRAM_ENDED)
			ret = collect(run, i, &is_read);
	}
	return ret;
}

/*
 * Nobody else waits for this child, so its number is its own even when it is gone already. Then a
 * deadline was none: we were too busy to look, and it had written all that it had to say.
 */
static int end_program(struct run *run, int reason)
{
	int ret = reason;

	kill(run->program.pid, SIGKILL);
	wait_for(run, 0, &ret);
	if (ret != RUN_PROGRAM_TOO_LONG)
		return ret;
	if (WIFSIGNALED(run->result->status) && WTERMSIG(run->result->status) == SIGKILL)
		return reason;
	return collect_rest(run);
}

int run_program(const struct run_program_options *options, struct run_program_result *result)
{
	struct run run = {.options = options, .result = result};
	int ret;

	*result = (struct run_program_result){0};
	run.deadline_ms = now_ms() + options->deadline_ms;
	ret = spawn_program(options->argv, &run.program);
	if (ret < 0)
		return ret;
	ret = exchange(&run);
	if (ret == RUN_PROGRAM_ENDED)
		ret = await_end(&run);
	if (!run.is_gone)
		ret = end_program(&run, ret);
	close_fd(&run.program.input_fd);
	for (int i = 0; i < 2; i++)
		close_fd(&run.program.output_fds[i]);
	if (ret < 0) {
		run_program_free(result);
		return ret;
	}
	result->end = (enum run_program_end)ret;
	return 0;
}

void run_program_free(struct run_program_result *result)
{
	for (int i = 0; i < 2; i++) {
		free(result->outputs[i].data);
		result->outputs[i] = (struct run_program_output){0};
	}
}
