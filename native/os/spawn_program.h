/* Another program as a child of this process. */
#ifndef TWILL_SPAWN_PROGRAM_H
#define TWILL_SPAWN_PROGRAM_H

#include <sys/types.h>

/* Our ends of its pipes are non-blocking and close-on-exec; they and the child are the caller's. */
struct spawned_program {
	pid_t pid;
	int input_fd;
	int output_fds[2]; /* of its standard output and standard error */
};

/*
 * Start `argv[0]`, which is looked for in PATH unless it has a slash, with the environment and the
 * directory of this process, every signal as the system has it by default, and none blocked.
 *
 * This is vfork(2), not fork(2): nothing of this process is copied, however large it is, and only
 * the calling thread waits, until the program is loaded. The environment is read meanwhile, so no
 * other thread may change it. The descriptors 0 to 2 have to be open.
 *
 * Returns 0 or a negative errno: -ENOENT when there is no such program.
 */
int spawn_program(char *const argv[], struct spawned_program *program);

#endif
