/*
 * The packet engine as JavaScript sees it: the second addon, so that where it cannot be built or
 * loaded the first one still works. Functions answer with a value or a negative errno and throw
 * nothing; src/datapath/engine-addon.ts has the types.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addon/addon_args.h"
#include "addon/engine_addon_options.h"
#include "engine/engine.h"

/* An engine, and the promise of its end. Freed when JavaScript has let go of it. */
struct handle {
	struct engine *engine;
	napi_async_work closing;
	napi_deferred closed;
};

/* The environment (a worker, the process) ends with the engine open. */
static void on_teardown(void *data)
{
	struct handle *handle = data;

	engine_close(handle->engine);
}

static void on_collected(napi_env env, void *data, void *hint)
{
	struct handle *handle = data;

	(void)hint;
	napi_remove_env_cleanup_hook(env, on_teardown, handle);
	engine_free(handle->engine);
	free(handle);
}

static struct handle *handle_of(const struct args *args)
{
	void *handle;

	if (napi_get_value_external(args->env, args->values[0], &handle) != napi_ok)
		return NULL;
	return handle;
}

/* (options) -> engine; the descriptors are closed when it fails. */
static napi_value engine_open_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct engine_options options = {.socket_fd = -1};
	struct handle *handle = calloc(1, sizeof(*handle));
	napi_value result;
	int ret = -EINVAL;

	if (handle == NULL)
		return args_number(env, -ENOMEM);
	if (engine_addon_get_options(env, args.values[0], &options))
		ret = engine_open(&options, &handle->engine);
	else
		engine_close_given(&options);
	if (ret < 0) {
		free(handle);
		return args_number(env, ret);
	}
	/* From here on nothing fails but for want of memory, on which Node-API ends the process. */
	napi_add_env_cleanup_hook(env, on_teardown, handle);
	napi_create_external(env, handle, on_collected, NULL, &result);
	return result;
}

/* (engine, entries of 64 bytes, count of them) -> 0 */
static napi_value engine_replace_table_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);
	struct fwd_entry *entries;
	struct args_bytes bytes;
	size_t count;
	int ret;

	if (handle == NULL || !args_get_bytes(&args, 1, &bytes))
		return args_number(env, -EINVAL);
	count = bytes.size / sizeof(*entries);
	/* A copy: a typed array may begin at any address. */
	entries = malloc((count + 1) * sizeof(*entries));
	if (entries == NULL)
		return args_number(env, -ENOMEM);
	memcpy(entries, bytes.data, count * sizeof(*entries));
	ret = engine_replace_table(handle->engine, entries, count);
	free(entries);
	return args_number(env, ret);
}

static bool get_doubles(const struct args *args, size_t index, double **out, size_t *count)
{
	napi_typedarray_type type;
	void *data;

	if (napi_get_typedarray_info(args->env, args->values[index], &type, count, &data, NULL,
				     NULL) != napi_ok)
		return false;
	*out = data;
	return type == napi_float64_array;
}

/* (engine, Float64Array with a place for each counter) -> 0 */
static napi_value engine_read_counters_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);
	uint64_t values[COUNTER_COUNT];
	size_t count;
	double *out;

	if (handle == NULL || !get_doubles(&args, 1, &out, &count) || count != COUNTER_COUNT)
		return args_number(env, -EINVAL);
	engine_read_counters(handle->engine, values);
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		out[i] = (double)values[i];
	return args_number(env, 0);
}

/* Names, order and meaning are those of PEER_COUNTER in src/datapath/peer-counters.ts. */
#define PEER_COUNTERS(X)                 \
	X(encap_packets, "encapPackets") \
	X(encap_bytes, "encapBytes")     \
	X(decap_packets, "decapPackets") \
	X(decap_bytes, "decapBytes")     \
	X(decap_dropped, "decapDropped")

static const char *const peer_counter_names[] = {
#define PEER_COUNTER_NAME(field, text) text,
    PEER_COUNTERS(PEER_COUNTER_NAME)
#undef PEER_COUNTER_NAME
};

#define PEER_VALUES (sizeof(peer_counter_names) / sizeof(peer_counter_names[0]))

/* (engine, Float64Array with a place for each counter of each peer) -> number of peers */
static napi_value engine_read_peers_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);
	size_t count, peers;
	double *out;

	if (handle == NULL || !get_doubles(&args, 1, &out, &count))
		return args_number(env, -EINVAL);
	peers = engine_peer_count(handle->engine);
	if (count < peers * PEER_VALUES)
		return args_number(env, -EINVAL);
	for (size_t i = 0; i < peers; i++) {
		struct engine_peer_counters one = engine_read_peer(handle->engine, (uint32_t)i);

#define PEER_COUNTER_VALUE(field, text) *out++ = (double)one.field;
		PEER_COUNTERS(PEER_COUNTER_VALUE)
#undef PEER_COUNTER_VALUE
	}
	return args_number(env, (ssize_t)peers);
}

/* (engine) -> descriptor that is readable after an event */
static napi_value engine_event_fd_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);

	return args_number(env, handle == NULL ? -EINVAL : engine_event_fd(handle->engine));
}

/*
 * (engine, Int32Array with two places for each event) -> 0: the errno of what happened since the
 * last call, and the underlay address it was about.
 */
static napi_value engine_take_events_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);
	struct args_int32s out;
	eventfd_t ignored;

	if (handle == NULL || !args_get_int32s(&args, 1, &out) || out.count != 2 * EVENT_COUNT)
		return args_number(env, -EINVAL);
	eventfd_read(engine_event_fd(handle->engine), &ignored);
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		uint32_t about;

		out.data[2 * i] = engine_take_event(handle->engine, (enum event)i, &about);
		out.data[2 * i + 1] = (int32_t)about;
	}
	return args_number(env, 0);
}

/* (engine) -> whether several datagrams go in one message */
static napi_value engine_has_batches_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);

	return args_number(env, handle == NULL ? -EINVAL : engine_has_batches(handle->engine));
}

static void join_off_loop(napi_env env, void *data)
{
	struct handle *handle = data;

	(void)env;
	engine_join(handle->engine);
}

static void on_joined(napi_env env, napi_status status, void *data)
{
	struct handle *handle = data;
	napi_value nothing;

	(void)status; /* cancelled or not, closing waits for the threads itself */
	engine_close(handle->engine);
	napi_get_undefined(env, &nothing);
	napi_resolve_deferred(env, handle->closed, nothing);
	napi_delete_async_work(env, handle->closing);
}

/* (engine) -> promise that resolves when no packet is under way. To be called once. */
static napi_value engine_close_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);
	napi_value promise, name;

	if (handle == NULL || handle->closed != NULL)
		return args_number(env, -EINVAL);
	engine_stop(handle->engine);
	napi_create_promise(env, &handle->closed, &promise);
	napi_create_string_utf8(env, "twill:engineClose", NAPI_AUTO_LENGTH, &name);
	/* The argument keeps the engine from being collected meanwhile. */
	napi_create_async_work(env, args.values[0], name, join_off_loop, on_joined, handle,
			       &handle->closing);
	napi_queue_async_work(env, handle->closing);
	return promise;
}

static const char *const counter_names[] = {
#define COUNTER_NAME(place, text) text,
    COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
};

static napi_value list_of(napi_env env, const char *const *names, size_t count)
{
	napi_value list, text;

	napi_create_array_with_length(env, count, &list);
	for (uint32_t i = 0; i < count; i++) {
		napi_create_string_utf8(env, names[i], NAPI_AUTO_LENGTH, &text);
		napi_set_element(env, list, i, text);
	}
	return list;
}

#define FUNCTION(name, implementation)                                              \
	{                                                                           \
		name, NULL, implementation, NULL, NULL, NULL, napi_enumerable, NULL \
	}

#define LIST(name, value)                                                  \
	{                                                                  \
		name, NULL, NULL, NULL, NULL, value, napi_enumerable, NULL \
	}

NAPI_MODULE_INIT()
{
	const napi_property_descriptor properties[] = {
	    FUNCTION("engineOpen", engine_open_js),
	    FUNCTION("engineReplaceTable", engine_replace_table_js),
	    FUNCTION("engineReadCounters", engine_read_counters_js),
	    FUNCTION("engineReadPeers", engine_read_peers_js),
	    FUNCTION("engineEventFd", engine_event_fd_js),
	    FUNCTION("engineTakeEvents", engine_take_events_js),
	    FUNCTION("engineHasBatches", engine_has_batches_js),
	    FUNCTION("engineClose", engine_close_js),
	    LIST("counterNames", list_of(env, counter_names, COUNTER_COUNT)),
	    LIST("peerCounterNames", list_of(env, peer_counter_names, PEER_VALUES)),
	};

	napi_define_properties(env, exports, sizeof(properties) / sizeof(properties[0]),
			       properties);
	return exports;
}
