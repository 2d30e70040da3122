/* The kernel's notifications for JavaScript. Part of the Node-API side. */
#ifndef TWILL_ADDON_EVENTS_H
#define TWILL_ADDON_EVENTS_H

#include "addon/addon_args.h"

/* (receive buffer's bytes) -> descriptor, as netlink_events.h says. */
napi_value addon_netlink_open_route(napi_env env, napi_callback_info info);
napi_value addon_netlink_open_firewall(napi_env env, napi_callback_info info);

/* (fd, Int32Array with the words of struct netlink_interest) -> bits of enum netlink_change. */
napi_value addon_netlink_read(napi_env env, napi_callback_info info);

#endif
