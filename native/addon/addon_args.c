#include "addon/addon_args.h"

#include <string.h>

struct args args_of(napi_env env, napi_callback_info info)
{
	struct args args = {.env = env};
	size_t count = ARGS_MAX;

	napi_get_cb_info(env, info, &count, args.values, NULL, NULL);
	return args;
}

bool args_get_int(const struct args *args, size_t index, int32_t *out)
{
	return napi_get_value_int32(args->env, args->values[index], out) == napi_ok;
}

bool args_get_size(const struct args *args, size_t index, size_t *out)
{
	int32_t value;

	if (!args_get_int(args, index, &value) || value < 0)
		return false;
	*out = (size_t)value;
	return true;
}

bool args_get_bool(const struct args *args, size_t index, bool *out)
{
	return napi_get_value_bool(args->env, args->values[index], out) == napi_ok;
}

bool args_get_text(const struct args *args, size_t index, char *out, size_t size)
{
	size_t len;

	if (napi_get_value_string_utf8(args->env, args->values[index], NULL, 0, &len) != napi_ok)
		return false;
	if (len >= size)
		return false;
	napi_get_value_string_utf8(args->env, args->values[index], out, size, &len);
	return strlen(out) == len;
}

static bool get_array(const struct args *args, size_t index, napi_typedarray_type want, void **data,
		      size_t *count)
{
	napi_typedarray_type type;
	napi_status status = napi_get_typedarray_info(args->env, args->values[index], &type, count,
						      data, NULL, NULL);

	return status == napi_ok && type == want;
}

bool args_get_bytes(const struct args *args, size_t index, struct args_bytes *out)
{
	void *data;

	if (!get_array(args, index, napi_uint8_array, &data, &out->size))
		return false;
	out->data = data;
	return true;
}

bool args_get_int32s(const struct args *args, size_t index, struct args_int32s *out)
{
	void *data;

	if (!get_array(args, index, napi_int32_array, &data, &out->count))
		return false;
	out->data = data;
	return true;
}

napi_value args_number(napi_env env, ssize_t value)
{
	napi_value result = NULL;

	napi_create_int32(env, (int32_t)value, &result);
	return result;
}
