/* A descriptor in Node's event loop. Knows libuv, not Node-API. */
#ifndef TWILL_FD_WATCH_H
#define TWILL_FD_WATCH_H

struct uv_loop_s;
struct fd_watch;

/*
 * `on_readable` runs once per turn of the loop while there is something to read, with 0, or
 * a last time with the negative errno of a broken descriptor. `on_closed` runs when the loop
 * has let go of the watch, whose memory is freed right after. Both run on the loop's thread.
 */
struct fd_watch_events {
	void (*on_readable)(void *data, int status);
	void (*on_closed)(void *data);
	void *data;
};

/*
 * Returns 0 when the libuv of this process is one whose functions we know: major version 1
 * with the handle type that we use. Else -ENOSYS. Asked once, before any watch.
 */
int fd_watch_check_libuv(void);

/*
 * Make a watch on `fd` for `loop`, to be started. The descriptor stays the caller's and must
 * outlive fd_watch_close(). Returns 0 and the watch, or a negative errno: -EEXIST when the
 * loop watches it already, -EPERM when it cannot be polled, as a regular file.
 */
int fd_watch_open(struct uv_loop_s *loop, int fd, struct fd_watch_events events,
		  struct fd_watch **watch);

/* Call on_readable from now on. Returns 0 or a negative errno. */
int fd_watch_start(struct fd_watch *watch);

/* No more on_readable; on_closed follows in a later turn of the loop. Once only. */
void fd_watch_close(struct fd_watch *watch);

#endif
