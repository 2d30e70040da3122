/* Watches on descriptors for JavaScript. Part of the Node-API side. */
#ifndef TWILL_ADDON_WATCH_H
#define TWILL_ADDON_WATCH_H

#include "addon/addon_args.h"

/* (fd, function) -> watch; it runs and calls function(status) as fd_watch.h says. */
napi_value addon_watch_open(napi_env env, napi_callback_info info);

/* (watch) -> 0, also when it is closed already. */
napi_value addon_watch_close(napi_env env, napi_callback_info info);

#endif
