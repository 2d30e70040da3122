#include "addon/addon_watch.h"

#include <errno.h>
#include <stdlib.h>

#include "addon/addon_args.h"
#include "os/fd_watch.h"

/* Owned by the event loop and by the JavaScript object; the last one of them frees it. */
struct watch {
	napi_env env;
	struct fd_watch *fd_watch; /* NULL once it is closing */
	napi_ref callback;
	napi_async_context context;
	napi_async_cleanup_hook_handle cleanup_hook;
	int owners;
};

static void watch_release(struct watch *watch)
{
	if (--watch->owners == 0)
		free(watch);
}

static void watch_on_readable(void *data, int status)
{
	struct watch *watch = data;
	napi_env env = watch->env;
	napi_value callback, global, argument, error;
	napi_handle_scope scope;
	napi_status called;

	if (napi_open_handle_scope(env, &scope) != napi_ok)
		return;
	argument = args_number(env, status);
	napi_get_reference_value(env, watch->callback, &callback);
	napi_get_global(env, &global);
	called = napi_make_callback(env, watch->context, global, callback, 1, &argument, NULL);
	/* Nobody above us could catch it: it takes the way of an exception in a timer. */
	if (called == napi_pending_exception &&
	    napi_get_and_clear_last_exception(env, &error) == napi_ok)
		napi_fatal_exception(env, error);
	napi_close_handle_scope(env, scope);
}

/* Not earlier: the callback that closes a watch still runs in its context. */
static void watch_on_closed(void *data)
{
	struct watch *watch = data;

	napi_delete_reference(watch->env, watch->callback);
	napi_async_destroy(watch->env, watch->context);
	napi_remove_async_cleanup_hook(watch->cleanup_hook);
	watch_release(watch);
}

static void watch_close(struct watch *watch)
{
	if (watch->fd_watch == NULL)
		return;
	fd_watch_close(watch->fd_watch);
	watch->fd_watch = NULL;
}

/* The environment (a worker, the process) ends with the watch open; it waits for on_closed. */
static void watch_on_teardown(napi_async_cleanup_hook_handle hook, void *data)
{
	(void)hook; /* removed in watch_on_closed(), by its copy in the watch */
	watch_close(data);
}

static void watch_on_collected(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	watch_release(data);
}

napi_value addon_watch_open(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct watch *watch;
	struct fd_watch_events events = {watch_on_readable, watch_on_closed, NULL};
	struct uv_loop_s *loop;
	napi_valuetype type;
	napi_value name, result;
	int32_t fd;
	int ret;

	if (!args_get_int(&args, 0, &fd) || napi_typeof(env, args.values[1], &type) != napi_ok)
		return args_number(env, -EINVAL);
	if (type != napi_function || napi_get_uv_event_loop(env, &loop) != napi_ok)
		return args_number(env, -EINVAL);
	events.data = watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return args_number(env, -ENOMEM);
	ret = fd_watch_open(loop, fd, events, &watch->fd_watch);
	if (ret < 0) {
		free(watch);
		return args_number(env, ret);
	}
	/* From here on nothing fails but for want of memory, on which Node-API ends the process. */
	watch->env = env;
	watch->owners = 2;
	napi_create_reference(env, args.values[1], 1, &watch->callback);
	napi_create_string_utf8(env, "twill:fdWatch", NAPI_AUTO_LENGTH, &name);
	napi_async_init(env, NULL, name, &watch->context);
	napi_add_async_cleanup_hook(env, watch_on_teardown, watch, &watch->cleanup_hook);
	napi_create_external(env, watch, watch_on_collected, NULL, &result);
	ret = fd_watch_start(watch->fd_watch);
	if (ret < 0) {
		watch_close(watch);
		return args_number(env, ret);
	}
	return result;
}

napi_value addon_watch_close(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	void *watch;

	if (napi_get_value_external(env, args.values[0], &watch) != napi_ok)
		return args_number(env, -EINVAL);
	watch_close(watch);
	return args_number(env, 0);
}
