#include "os/program_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* poll(2) is the deepest call; posix_spawn(3) brings a stack for the child. */
#define STACK_BYTES (64 * 1024)

struct program_thread {
	struct run_program_options options;
	struct run_program_result result;
	int ret; /* of run_program() */
	int done_fd;
	pthread_t thread;
	bool is_joined;
	char **argv;
	char *input;
	char args[]; /* which argv points into */
};

static size_t count_args(const struct program_thread_options *options)
{
	size_t count = 0;

	for (size_t i = 0; i < options->args_size; i++)
		count += options->args[i] == '\0';
	return count;
}

/* The thread is not running. */
static void release(struct program_thread *t)
{
	run_program_free(&t->result);
	if (t->options.stop_fd >= 0)
		close(t->options.stop_fd);
	if (t->done_fd >= 0)
		close(t->done_fd);
	free(t->argv);
	free(t->input);
	free(t);
}

static struct program_thread *copy(const struct program_thread_options *options)
{
	size_t count = count_args(options);
	struct program_thread *t = calloc(1, sizeof(*t) + options->args_size);

	if (t == NULL)
		return NULL;
	t->done_fd = t->options.stop_fd = -1;
	t->argv = calloc(count + 1, sizeof(*t->argv));
	t->input = malloc(options->input_size + 1);
	if (t->argv == NULL || t->input == NULL) {
		release(t);
		return NULL;
	}
	memcpy(t->args, options->args, options->args_size);
	if (options->input_size > 0)
		memcpy(t->input, options->input, options->input_size);
	for (char **arg = t->argv, *text = t->args; arg < t->argv + count; arg++) {
		*arg = text;
		text += strlen(text) + 1;
	}
	t->options.argv = t->argv;
	t->options.input = t->input;
	t->options.input_size = options->input_size;
	t->options.deadline_ms = options->deadline_ms;
	t->options.max_output_bytes = options->max_output_bytes;
	return t;
}

static void *run(void *data)
{
	struct program_thread *t = data;

	t->ret = run_program(&t->options, &t->result);
	eventfd_write(t->done_fd, 1);
	return NULL;
}

/* Signals are for the threads of Node.js, and SIGPIPE for none: ours inherits a mask without any.
 */
static int start_thread(struct program_thread *t)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int ret = pthread_attr_init(&attributes);

	if (ret != 0)
		return -ret;
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&t->thread, &attributes, run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (ret == 0)
		pthread_setname_np(t->thread, "twill-run");
	return -ret;
}

int program_thread_start(const struct program_thread_options *options,
			 struct program_thread **thread)
{
	struct program_thread *t;
	int ret;

	if (options->args_size == 0 || options->args[options->args_size - 1] != '\0')
		return -EINVAL;
	t = copy(options);
	if (t == NULL)
		return -ENOMEM;
	t->options.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = t->options.stop_fd < 0 || t->done_fd < 0 ? -errno : start_thread(t);
	if (ret < 0) {
		release(t);
		return ret;
	}
	*thread = t;
	return 0;
}

int program_thread_done_fd(const struct program_thread *thread)
{
	return thread->done_fd;
}

void program_thread_stop(struct program_thread *thread)
{
	eventfd_write(thread->options.stop_fd, 1); /* nobody reads it: it stays readable */
}

static void join(struct program_thread *t)
{
	if (!t->is_joined)
		pthread_join(t->thread, NULL);
	t->is_joined = true;
}

int program_thread_result(struct program_thread *thread, const struct run_program_result **result)
{
	eventfd_t ignored;

	if (!thread->is_joined && eventfd_read(thread->done_fd, &ignored) < 0)
		return -EINPROGRESS;
	join(thread);
	*result = &thread->result;
	return thread->ret;
}

void program_thread_free(struct program_thread *thread)
{
	if (thread == NULL)
		return;
	program_thread_stop(thread);
	join(thread);
	release(thread);
}
