/* Options of an engine, read from a JavaScript object. Part of the Node-API side. */
#ifndef TWILL_ENGINE_ADDON_OPTIONS_H
#define TWILL_ENGINE_ADDON_OPTIONS_H

#include "addon/addon_args.h"
#include "engine/engine.h"

/* Reads every member of NativeEngineOptions in src/datapath/engine-addon.ts; false when one is
 * missing or of a wrong kind. */
bool engine_addon_get_options(napi_env env, napi_value object, struct engine_options *options);

#endif
