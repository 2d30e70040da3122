/* The agent as a process: alone, quiet about its memory, heard by its supervisor. */
#ifndef TWILL_PROCESS_H
#define TWILL_PROCESS_H

#include <stddef.h>

/*
 * Take the flock(2) on `fd` without waiting. It holds until the descriptor, and every copy
 * of it, is closed: at the latest when the process is gone. Returns 0, -EAGAIN while
 * another has it, or another negative errno.
 */
int process_lock_file(int fd);

/*
 * Send one datagram to the Unix socket `path` without waiting; a leading '@' stands for the
 * NUL of an abstract name. Returns 0 or a negative errno: -EINVAL for a path that is empty
 * or too long, -EAGAIN when the receiver's queue is full.
 */
int process_send_unix_datagram(const char *path, const void *data, size_t size);

/*
 * Forbid core dumps and tracing by unprivileged processes, so that keys in memory stay
 * there. Returns 0 or a negative errno.
 */
int process_harden(void);

/*
 * End the process with `status` and wait for nothing: neither for threads, as exit(3) does
 * under Node.js, nor for handlers. Does not return.
 */
__attribute__((noreturn)) void process_end(int status);

#endif
