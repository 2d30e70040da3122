/* A run of a program on a thread of its own. */
#ifndef TWILL_PROGRAM_THREAD_H
#define TWILL_PROGRAM_THREAD_H

#include <stddef.h>

#include "os/run_program.h"

/* What to run; all of it is copied. */
struct program_thread_options {
	const char *args; /* one after the other, each with its NUL; the first is the program */
	size_t args_size;
	const void *input;
	size_t input_size;
	int deadline_ms;
	size_t max_output_bytes;
};

struct program_thread;

/*
 * Start the thread, which starts the program. Returns 0 or a negative errno: -EINVAL when `args`
 * is not as said above, -EAGAIN when there is no thread to be had.
 */
int program_thread_start(const struct program_thread_options *options,
			 struct program_thread **thread);

/* Readable when the run is over. Stays the thread's. */
int program_thread_done_fd(const struct program_thread *thread);

/* End the program; the run is over when it is gone. Harmless when it is already. */
void program_thread_stop(struct program_thread *thread);

/*
 * What the run came to, which is there until program_thread_free(). Returns what run_program()
 * did, or -EINPROGRESS while it lasts.
 */
int program_thread_result(struct program_thread *thread, const struct run_program_result **result);

/* Also of a run that lasts: ends the program, and waits until it is gone. */
void program_thread_free(struct program_thread *thread);

#endif
