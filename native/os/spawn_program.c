#include "os/spawn_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#define STREAMS 3 /* standard input, output and error, by their numbers */

/* One end of each pipe is ours, the other is the program's. */
struct pipes {
	int own[STREAMS], its[STREAMS];
};

static void close_all(const int fds[STREAMS])
{
	for (int i = 0; i < STREAMS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static int open_pipe(struct pipes *pipes, int stream)
{
	int fds[2]; /* to read from, to write to */
	int own = stream == STDIN_FILENO ? 1 : 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pipes->own[stream] = fds[own];
	pipes->its[stream] = fds[1 - own];
	/* Of our end alone: programs expect to wait. */
	return fcntl(fds[own], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int spawn(char *const argv[], const int fds[STREAMS], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int ret;

	sigfillset(&all);
	sigemptyset(&none);
	ret = posix_spawn_file_actions_init(&actions);
	if (ret != 0)
		return -ret;
	ret = posix_spawnattr_init(&attributes);
	if (ret != 0)
		goto cleanup;
	for (int i = 0; ret == 0 && i < STREAMS; i++)
		ret = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if (ret == 0)
		ret = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);

cleanup:
	posix_spawn_file_actions_destroy(&actions);
	return -ret;
}

int spawn_program(char *const argv[], struct spawned_program *program)
{
	struct pipes pipes = {{-1, -1, -1}, {-1, -1, -1}};
	int ret = 0;

	for (int i = 0; ret == 0 && i < STREAMS; i++)
		ret = open_pipe(&pipes, i);
	if (ret == 0)
		ret = spawn(argv, pipes.its, &program->pid);
	close_all(pipes.its);
	if (ret < 0) {
		close_all(pipes.own);
		return ret;
	}
	program->input_fd = pipes.own[STDIN_FILENO];
	program->output_fds[0] = pipes.own[STDOUT_FILENO];
	program->output_fds[1] = pipes.own[STDERR_FILENO];
	return 0;
}
