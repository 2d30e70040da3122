/* Facts about native/os/run_program.c and spawn_program.c, with programs that every host has. */
#include "os/run_program.h"

#include "c-test.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG_MS 60000
#define SHORT_MS 200
/* For a program that ends by itself long before, on a busy machine too. */
#define AMPLE_MS 2000
#define MANY_BYTES (1024 * 1024)

static struct run_program_options shell(char *const argv[])
{
	signal(SIGPIPE, SIG_IGN);
	return (struct run_program_options){
	    .argv = argv, .deadline_ms = LONG_MS, .max_output_bytes = MANY_BYTES, .stop_fd = -1};
}

#define SHELL(text) shell((char *[]){"sh", "-c", text, NULL})

static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* Runs it and holds that no child and no descriptor is left. */
static struct run_program_result run(const struct run_program_options *options)
{
	struct run_program_result result;
	int before = count_descriptors();

	EXPECT(run_program(options, &result), 0);
	EXPECT(count_descriptors(), before);
	EXPECT(waitpid(-1, NULL, WNOHANG), -1);
	EXPECT(errno, ECHILD);
	return result;
}

static void expect_text(const struct run_program_output *output, const char *wanted)
{
	EXPECT(output->size, strlen(wanted));
	EXPECT(memcmp(output->size == 0 ? "" : output->data, wanted, output->size), 0);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void outputs_and_status_are_the_programs(void)
{
	struct run_program_options options = SHELL("printf out; printf err >&2; exit 3");
	struct run_program_result result = run(&options);

	EXPECT(result.end, RUN_PROGRAM_ENDED);
	EXPECT(WEXITSTATUS(result.status), 3);
	expect_text(&result.outputs[0], "out");
	expect_text(&result.outputs[1], "err");
	run_program_free(&result);
}

static void arguments_are_passed_as_they_are(void)
{
	struct run_program_options options =
	    shell((char *[]){"printf", "<%s>", "a b;c", "", "$HOME\n", NULL});
	struct run_program_result result = run(&options);

	expect_text(&result.outputs[0], "<a b;c><><$HOME\n>");
	run_program_free(&result);
}

static void input_larger_than_a_pipe_comes_back(void)
{
	struct run_program_options options = SHELL("exec cat");
	struct run_program_result result;
	char *input = malloc(MANY_BYTES);

	for (size_t i = 0; i < MANY_BYTES; i++)
		input[i] = (char)(i * 7 >> 3);
	options.input = input;
	options.input_size = MANY_BYTES;
	result = run(&options);
	EXPECT(result.end, RUN_PROGRAM_ENDED);
	EXPECT(result.outputs[0].size, MANY_BYTES);
	EXPECT(memcmp(result.outputs[0].data, input, MANY_BYTES), 0);
	run_program_free(&result);
	free(input);
}

static void input_goes_on_after_the_outputs_are_closed(void)
{
	struct run_program_options options = SHELL("exec >&- 2>&-; test $(wc -c) = 1048576");
	struct run_program_result result;

	options.input = calloc(1, MANY_BYTES);
	options.input_size = MANY_BYTES;
	result = run(&options);
	EXPECT(result.status, 0);
	run_program_free(&result);
	free((char *)options.input);
}

static void input_that_nobody_reads_is_no_failure(void)
{
	struct run_program_options options = SHELL("exec 0<&-; echo said; exit 3");
	struct run_program_result result;

	options.input = calloc(1, MANY_BYTES);
	options.input_size = MANY_BYTES;
	result = run(&options);
	EXPECT(WEXITSTATUS(result.status), 3);
	expect_text(&result.outputs[0], "said\n");
	run_program_free(&result);
	free((char *)options.input);
}

static void failures_to_start_are_told_apart(void)
{
	struct run_program_options options = shell((char *[]){"/nowhere/ip", NULL});
	struct run_program_result result;
	int before = count_descriptors();

	EXPECT(run_program(&options, &result), -ENOENT);
	options.argv = (char *[]){"twill-there-is-no-such-program", NULL};
	EXPECT(run_program(&options, &result), -ENOENT);
	options.argv = (char *[]){"/dev/null", NULL};
	EXPECT(run_program(&options, &result), -EACCES);
	EXPECT(count_descriptors(), before);
	EXPECT(waitpid(-1, NULL, WNOHANG), -1);
}

static void a_deadline_ends_the_program(void)
{
	struct run_program_options options = SHELL("echo said; exec sleep 60");
	struct run_program_result result;

	options.deadline_ms = SHORT_MS;
	result = run(&options);
	EXPECT(result.end, RUN_PROGRAM_TOO_LONG);
	EXPECT(WTERMSIG(result.status), SIGKILL);
	run_program_free(&result);
}

static void a_deadline_ends_a_program_that_closed_its_streams(void)
{
	struct run_program_options options = SHELL("exec <&- >&- 2>&-; exec sleep 60");
	struct run_program_result result;

	options.deadline_ms = SHORT_MS;
	result = run(&options);
	EXPECT(result.end, RUN_PROGRAM_TOO_LONG);
	run_program_free(&result);
}

static void a_deadline_ends_a_program_that_never_rests(void)
{
	struct run_program_options options = SHELL("exec cat /dev/zero");
	struct run_program_result result;

	options.deadline_ms = 20;
	options.max_output_bytes = (size_t)1 << 31;
	result = run(&options);
	EXPECT(result.end, RUN_PROGRAM_TOO_LONG);
	run_program_free(&result);
}

/* Another process holds its outputs open, until the pipe that it reads is closed. */
static void a_program_that_ended_in_time_is_not_too_long(void)
{
	struct run_program_options options;
	struct run_program_result result;
	char text[64];
	int held[2];

	EXPECT(pipe(held), 0);
	fcntl(held[1], F_SETFD, FD_CLOEXEC);
	snprintf(text, sizeof(text), "cat <&%d & echo said; exit 3", held[0]);
	options = SHELL(text);
	options.deadline_ms = AMPLE_MS;
	EXPECT(run_program(&options, &result), 0);
	close(held[1]);
	EXPECT(result.end, RUN_PROGRAM_ENDED);
	EXPECT(WEXITSTATUS(result.status), 3);
	expect_text(&result.outputs[0], "said\n");
	run_program_free(&result);
}

/*
 * It stops us while it ends, and somebody it leaves behind wakes us after the deadline. That we fed
 * it with more than the pipe holds says that we have read what it wrote before: so what it writes
 * then, as much as a pipe holds, takes more than the one read that we get to.
 */
static void a_program_that_ended_while_we_slept_is_heard_out(void)
{
	struct run_program_options options =
	    SHELL("printf x; head -c 262144 >/dev/null; exec 0<&-;"
		  "(exec >&- 2>&-; sleep 2.5; kill -CONT $PPID) & kill -STOP $PPID;"
		  "head -c 65536 /dev/zero");
	struct run_program_result result;

	options.input = calloc(1, 262144);
	options.input_size = 262144;
	options.deadline_ms = AMPLE_MS;
	result = run(&options);
	EXPECT(result.end, RUN_PROGRAM_ENDED);
	EXPECT(result.status, 0);
	EXPECT(result.outputs[0].size, 65537);
	run_program_free(&result);
	free((char *)options.input);
}

static void output_up_to_the_limit_is_kept_and_more_ends_the_program(void)
{
	struct run_program_options options = SHELL("exec head -c 1048576 /dev/zero");
	struct run_program_result result = run(&options);

	EXPECT(result.end, RUN_PROGRAM_ENDED);
	EXPECT(result.outputs[0].size, MANY_BYTES);
	run_program_free(&result);
	options.max_output_bytes--;
	result = run(&options);
	EXPECT(result.end, RUN_PROGRAM_TOO_MUCH);
	run_program_free(&result);
	options = SHELL("exec cat /dev/zero >&2"); /* the other output has a limit too */
	result = run(&options);
	EXPECT(result.end, RUN_PROGRAM_TOO_MUCH);
	run_program_free(&result);
}

static void a_stop_ends_the_program(void)
{
	char *const texts[] = {"exec sleep 60", "exec <&- >&- 2>&-; exec sleep 60"};

	for (int i = 0; i < 2; i++) {
		struct run_program_options options = SHELL(texts[i]);
		struct run_program_result result;
		long start = now_ms();

		options.stop_fd = eventfd(1, EFD_CLOEXEC);
		result = run(&options);
		EXPECT(result.end, RUN_PROGRAM_STOPPED);
		EXPECT(now_ms() - start < LONG_MS / 2, 1);
		close(options.stop_fd);
		run_program_free(&result);
	}
}

/* 32 and 33 are glibc's own, which it leaves ignored. */
#define SIGNALS_OF_PROGRAMS 0xfffffffe7fffffffUL

static void signals_are_default_and_none_is_blocked(void)
{
	struct run_program_options options =
	    shell((char *[]){"sed", "-n", "s/^Sig\\(Blk\\|Ign\\):.//p", "/proc/self/status", NULL});
	struct run_program_result result;
	unsigned long blocked, ignored;
	sigset_t all;

	signal(SIGHUP, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	result = run(&options);
	EXPECT(result.outputs[0].size, 34);
	blocked = strtoul(result.outputs[0].data, NULL, 16);
	ignored = strtoul(result.outputs[0].data + 17, NULL, 16);
	EXPECT(blocked, 0);
	EXPECT(ignored & SIGNALS_OF_PROGRAMS, 0);
	run_program_free(&result);
}

static void only_the_three_streams_are_inherited(void)
{
	struct run_program_options options = shell((char *[]){"ls", "/proc/self/fd", NULL});
	struct run_program_result result;

	closefrom(3); /* what the test's own parent has left open */
	result = run(&options);
	expect_text(&result.outputs[0], "0\n1\n2\n3\n"); /* 3 is what ls looks with */
	run_program_free(&result);
}

static const struct test_case cases[] = {
    CASE(outputs_and_status_are_the_programs),
    CASE(arguments_are_passed_as_they_are),
    CASE(input_larger_than_a_pipe_comes_back),
    CASE(input_goes_on_after_the_outputs_are_closed),
    CASE(input_that_nobody_reads_is_no_failure),
    CASE(failures_to_start_are_told_apart),
    CASE(a_deadline_ends_the_program),
    CASE(a_deadline_ends_a_program_that_closed_its_streams),
    CASE(a_deadline_ends_a_program_that_never_rests),
    CASE(a_program_that_ended_in_time_is_not_too_long),
    CASE(a_program_that_ended_while_we_slept_is_heard_out),
    CASE(output_up_to_the_limit_is_kept_and_more_ends_the_program),
    CASE(a_stop_ends_the_program),
    CASE(signals_are_default_and_none_is_blocked),
    CASE(only_the_three_streams_are_inherited),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
