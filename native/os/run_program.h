/* Another program, run to its end: fed with input, its output collected. */
#ifndef TWILL_RUN_PROGRAM_H
#define TWILL_RUN_PROGRAM_H

#include <stddef.h>

/* All of it stays the caller's. */
struct run_program_options {
	char *const *argv; /* as spawn_program() takes them */
	const char *input;
	size_t input_size;
	int deadline_ms;	 /* from the start on */
	size_t max_output_bytes; /* of each of the two outputs */
	int stop_fd;		 /* readable: end the program; -1: nobody asks for that */
};

/* What a run came to. */
enum run_program_end {
	RUN_PROGRAM_ENDED,    /* by itself, or by a signal of somebody else */
	RUN_PROGRAM_TOO_LONG, /* the others: we ended it */
	RUN_PROGRAM_TOO_MUCH,
	RUN_PROGRAM_STOPPED,
};

struct run_program_output {
	char *data; /* NULL while there is none */
	size_t size, capacity;
};

struct run_program_result {
	enum run_program_end end;
	int status;			      /* as waitpid(2) gives it */
	struct run_program_output outputs[2]; /* standard output, standard error */
};

/*
 * Run a program and return when it is gone, and waited for, and has closed its outputs: neither it
 * nor a descriptor is left. Programs that it started itself are nobody's to end; when one of them
 * holds an output open, the run lasts until the deadline, and is none the worse for it.
 *
 * SIGPIPE must be blocked or ignored: a program may end before it has read its input. A program
 * that was told to end (SIGKILL) is waited for however long the kernel takes.
 *
 * Returns 0 and the result, whose memory goes with run_program_free(), or a negative errno when the
 * program could not be started (-ENOENT when there is none) or memory did not suffice.
 */
int run_program(const struct run_program_options *options, struct run_program_result *result);

void run_program_free(struct run_program_result *result);

#endif
