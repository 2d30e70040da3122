/* Facts about native/os/program_thread.c. */
#include "os/program_thread.h"

#include "c-test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_MS 60000

/* `texts` is a literal with a NUL behind each argument but the last, which has its own. */
#define START(texts, text) start(texts, sizeof(texts), text)

static struct program_thread *start(const char *args, size_t size, const char *input)
{
	struct program_thread_options options = {.args = args,
						 .args_size = size,
						 .input = input,
						 .input_size = strlen(input),
						 .deadline_ms = LONG_MS,
						 .max_output_bytes = 1024};
	struct program_thread *thread;

	EXPECT(program_thread_start(&options, &thread), 0);
	return thread;
}

static void await_done(const struct program_thread *thread)
{
	struct pollfd done = {.fd = program_thread_done_fd(thread), .events = POLLIN};

	EXPECT(poll(&done, 1, LONG_MS), 1);
}

static void expect_no_child(void)
{
	EXPECT(waitpid(-1, NULL, WNOHANG), -1);
	EXPECT(errno, ECHILD);
}

static void result_is_there_when_it_is_done(void)
{
	struct program_thread *thread = START("sh\0-c\0read x; echo \"$x$1\"\0sh\0 you", "hello\n");
	const struct run_program_result *result;

	await_done(thread);
	for (int i = 0; i < 2; i++) { /* as often as one likes */
		EXPECT(program_thread_result(thread, &result), 0);
		EXPECT(result->end, RUN_PROGRAM_ENDED);
		EXPECT(result->outputs[0].size, 10);
		EXPECT(memcmp(result->outputs[0].data, "hello you\n", 10), 0);
	}
	program_thread_free(thread);
	expect_no_child();
}

static void options_are_copied(void)
{
	char args[] = "cat", input[] = "kept";
	struct program_thread *thread = start(args, sizeof(args), input);
	const struct run_program_result *result;

	memset(args, 'x', sizeof(args));
	memset(input, 'x', sizeof(input));
	await_done(thread);
	EXPECT(program_thread_result(thread, &result), 0);
	EXPECT(memcmp(result->outputs[0].data, "kept", 4), 0);
	program_thread_free(thread);
}

static void result_is_not_there_before(void)
{
	struct program_thread *thread = START("sleep\0"
					      "60",
					      "");
	const struct run_program_result *result;

	EXPECT(program_thread_result(thread, &result), -EINPROGRESS);
	program_thread_stop(thread);
	await_done(thread);
	EXPECT(program_thread_result(thread, &result), 0);
	EXPECT(result->end, RUN_PROGRAM_STOPPED);
	program_thread_stop(thread); /* is no error */
	program_thread_free(thread);
}

static void failure_to_start_is_the_result(void)
{
	struct program_thread *thread = START("/nowhere/ip", "");
	const struct run_program_result *result;

	await_done(thread);
	EXPECT(program_thread_result(thread, &result), -ENOENT);
	program_thread_free(thread);
}

static void free_ends_the_program(void)
{
	program_thread_free(START("sleep\0"
				  "60",
				  ""));
	expect_no_child();
	program_thread_free(NULL);
}

static void many_run_side_by_side(void)
{
	struct program_thread *threads[20];
	const struct run_program_result *result;

	for (int i = 0; i < 20; i++)
		threads[i] = START("cat", "mine");
	for (int i = 19; i >= 0; i--) {
		await_done(threads[i]);
		EXPECT(program_thread_result(threads[i], &result), 0);
		EXPECT(result->outputs[0].size, 4);
		program_thread_free(threads[i]);
	}
	expect_no_child();
}

/* Blocked in the thread: a signal would end this process. */
static void reader_that_ends_raises_no_signal(void)
{
	static char input[200000];
	struct program_thread *thread;

	memset(input, 'x', sizeof(input) - 1);
	thread = START("true", input);
	await_done(thread);
	program_thread_free(thread);
}

static void arguments_without_an_end_are_refused(void)
{
	struct program_thread_options options = {.args = "cat", .args_size = 3};
	struct program_thread *thread;

	EXPECT(program_thread_start(&options, &thread), -EINVAL);
	options.args_size = 0;
	EXPECT(program_thread_start(&options, &thread), -EINVAL);
}

static const struct test_case cases[] = {
    CASE(result_is_there_when_it_is_done),
    CASE(options_are_copied),
    CASE(result_is_not_there_before),
    CASE(failure_to_start_is_the_result),
    CASE(free_ends_the_program),
    CASE(many_run_side_by_side),
    CASE(reader_that_ends_raises_no_signal),
    CASE(arguments_without_an_end_are_refused),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
