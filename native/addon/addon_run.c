#include "addon/addon_run.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "os/program_thread.h"

/* What JavaScript holds; freed when it has let go of it. */
struct handle {
	struct program_thread *thread; /* NULL once its result is taken */
};

/* Also at the end of the environment (a worker) with the run under way: the program ends too. */
static void on_collected(napi_env env, void *data, void *hint)
{
	struct handle *handle = data;

	(void)env;
	(void)hint;
	program_thread_free(handle->thread);
	free(handle);
}

static struct handle *handle_of(const struct args *args)
{
	void *handle;

	if (napi_get_value_external(args->env, args->values[0], &handle) != napi_ok)
		return NULL;
	return handle;
}

napi_value addon_run_start(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct program_thread_options options = {0};
	struct args_bytes texts, input;
	struct handle *handle;
	napi_value result;
	int ret;

	if (!args_get_bytes(&args, 0, &texts) || !args_get_bytes(&args, 1, &input))
		return args_number(env, -EINVAL);
	if (!args_get_int(&args, 2, &options.deadline_ms) || options.deadline_ms < 0 ||
	    !args_get_size(&args, 3, &options.max_output_bytes))
		return args_number(env, -EINVAL);
	options.args = (const char *)texts.data;
	options.args_size = texts.size;
	options.input = input.data;
	options.input_size = input.size;
	handle = calloc(1, sizeof(*handle));
	if (handle == NULL)
		return args_number(env, -ENOMEM);
	ret = program_thread_start(&options, &handle->thread);
	if (ret < 0) {
		free(handle);
		return args_number(env, ret);
	}
	napi_create_external(env, handle, on_collected, NULL, &result);
	return result;
}

napi_value addon_run_done_fd(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);

	if (handle == NULL || handle->thread == NULL)
		return args_number(env, -EINVAL);
	return args_number(env, program_thread_done_fd(handle->thread));
}

napi_value addon_run_stop(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);

	if (handle == NULL)
		return args_number(env, -EINVAL);
	if (handle->thread != NULL)
		program_thread_stop(handle->thread);
	return args_number(env, 0);
}

static void set_number(napi_env env, napi_value object, const char *name, int value)
{
	napi_set_named_property(env, object, name, args_number(env, value));
}

static void set_output(napi_env env, napi_value object, const char *name,
		       const struct run_program_output *output)
{
	napi_value text;

	/* Without data NULL may not be given, even with a length of 0. */
	napi_create_string_utf8(env, output->size == 0 ? "" : output->data, output->size, &text);
	napi_set_named_property(env, object, name, text);
}

static napi_value object_of(napi_env env, int error, const struct run_program_result *result)
{
	int status = result->status;
	napi_value object;

	napi_create_object(env, &object);
	set_number(env, object, "errno", error);
	set_number(env, object, "end", (int)result->end);
	set_number(env, object, "exitStatus", WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	set_number(env, object, "signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	set_output(env, object, "stdout", &result->outputs[0]);
	set_output(env, object, "stderr", &result->outputs[1]);
	return object;
}

napi_value addon_run_take(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct handle *handle = handle_of(&args);
	const struct run_program_result *result;
	napi_value object;
	int ret;

	if (handle == NULL || handle->thread == NULL)
		return args_number(env, -EINVAL);
	ret = program_thread_result(handle->thread, &result);
	if (ret == -EINPROGRESS)
		return args_number(env, ret);
	object = object_of(env, ret, result);
	program_thread_free(handle->thread);
	handle->thread = NULL;
	return object;
}
