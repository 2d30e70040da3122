/* Runs of programs for JavaScript. Part of the Node-API side. */
#ifndef TWILL_ADDON_RUN_H
#define TWILL_ADDON_RUN_H

#include "addon/addon_args.h"

/* (arguments, input, deadline in ms, most bytes of an output) -> run, as program_thread.h says. */
napi_value addon_run_start(napi_env env, napi_callback_info info);

/* (run) -> descriptor that is readable when it is over; closed by runTake. */
napi_value addon_run_done_fd(napi_env env, napi_callback_info info);

/* (run) -> 0: ends the program. */
napi_value addon_run_stop(napi_env env, napi_callback_info info);

/* (run) -> object with what it came to, once; -EINPROGRESS while it lasts. */
napi_value addon_run_take(napi_env env, napi_callback_info info);

#endif
