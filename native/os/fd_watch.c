#include "os/fd_watch.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * Node-API has no call to poll a descriptor, but it gives out the event loop, and node exports
 * libuv, whose ABI is fixed within major version 1. Its header comes with no package we could
 * rely on, so what we need is declared here: the types stay opaque, the size of a handle is
 * asked for at run time, and fd_watch_check_libuv() compares the two numbers we have to know.
 */
typedef struct uv_poll_s uv_poll_t;
typedef struct uv_handle_s uv_handle_t;
typedef void (*uv_poll_cb)(uv_poll_t *handle, int status, int events);
typedef void (*uv_close_cb)(uv_handle_t *handle);

unsigned int uv_version(void);
const char *uv_handle_type_name(int type);
size_t uv_handle_size(int type);
void *uv_handle_get_data(const uv_handle_t *handle);
void uv_handle_set_data(uv_handle_t *handle, void *data);
int uv_poll_init(struct uv_loop_s *loop, uv_poll_t *handle, int fd);
int uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb cb);
void uv_close(uv_handle_t *handle, uv_close_cb cb);

#define UV_MAJOR 1
#define UV_POLL 8
#define UV_READABLE 1

struct fd_watch {
	struct fd_watch_events events;
	uv_poll_t *poll;
};

static struct fd_watch *watch_of(uv_poll_t *poll)
{
	return uv_handle_get_data((const uv_handle_t *)poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct fd_watch *watch = watch_of(poll);

	(void)events; /* we ask for one only */
	watch->events.on_readable(watch->events.data, status);
}

static void on_close(uv_handle_t *handle)
{
	struct fd_watch *watch = uv_handle_get_data(handle);

	watch->events.on_closed(watch->events.data);
	free(watch->poll);
	free(watch);
}

int fd_watch_check_libuv(void)
{
	const char *name = uv_handle_type_name(UV_POLL);

	if (uv_version() >> 16 != UV_MAJOR || name == NULL || strcmp(name, "poll") != 0)
		return -ENOSYS;
	return 0;
}

int fd_watch_open(struct uv_loop_s *loop, int fd, struct fd_watch_events events,
		  struct fd_watch **watch)
{
	struct fd_watch *w = calloc(1, sizeof(*w));
	int ret = -ENOMEM;

	if (w == NULL)
		return ret;
	w->events = events;
	w->poll = calloc(1, uv_handle_size(UV_POLL));
	if (w->poll == NULL)
		goto fail;
	ret = uv_poll_init(loop, w->poll, fd);
	if (ret < 0)
		goto fail; /* libuv has not linked the handle into the loop then */
	uv_handle_set_data((uv_handle_t *)w->poll, w);
	*watch = w;
	return 0;

fail:
	free(w->poll);
	free(w);
	return ret;
}

int fd_watch_start(struct fd_watch *watch)
{
	return uv_poll_start(watch->poll, UV_READABLE, on_poll);
}

void fd_watch_close(struct fd_watch *watch)
{
	uv_close((uv_handle_t *)watch->poll, on_close);
}
