/* Arguments and results of the addon's functions. Part of the Node-API side. */
#ifndef TWILL_ADDON_ARGS_H
#define TWILL_ADDON_ARGS_H

#define NAPI_VERSION 8
#include <node_api.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARGS_MAX 4

struct args {
	napi_env env;
	napi_value values[ARGS_MAX];
};

/* Memory of a typed array: valid until the function returns to JavaScript. */
struct args_bytes {
	uint8_t *data;
	size_t size;
};

struct args_int32s {
	int32_t *data;
	size_t count;
};

/* The arguments of a call; a missing one is undefined, which every getter below refuses. */
struct args args_of(napi_env env, napi_callback_info info);

/*
 * Each getter says whether argument `index` is of its kind, and stores it if so. A size is
 * 0 to 2^31 - 1. Text must fit with its NUL and have none inside.
 */
bool args_get_int(const struct args *args, size_t index, int32_t *out);
bool args_get_size(const struct args *args, size_t index, size_t *out);
bool args_get_bool(const struct args *args, size_t index, bool *out);
bool args_get_text(const struct args *args, size_t index, char *out, size_t size);
bool args_get_bytes(const struct args *args, size_t index, struct args_bytes *out);
bool args_get_int32s(const struct args *args, size_t index, struct args_int32s *out);

/* A result: a value or a negative errno, within 32 bits. */
napi_value args_number(napi_env env, ssize_t value);

#endif
