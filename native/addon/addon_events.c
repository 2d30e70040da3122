#include "addon/addon_events.h"

#include <errno.h>
#include <string.h>

#include "os/netlink_events.h"

static napi_value open_with(napi_env env, napi_callback_info info, int (*open_socket)(int))
{
	struct args args = args_of(env, info);
	int32_t bytes;

	return args_number(env, args_get_int(&args, 0, &bytes) ? open_socket(bytes) : -EINVAL);
}

napi_value addon_netlink_open_route(napi_env env, napi_callback_info info)
{
	return open_with(env, info, netlink_events_open_route);
}

napi_value addon_netlink_open_firewall(napi_env env, napi_callback_info info)
{
	return open_with(env, info, netlink_events_open_firewall);
}

napi_value addon_netlink_read(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct netlink_interest interest;
	struct args_int32s words;
	int32_t fd;

	if (!args_get_int(&args, 0, &fd) || !args_get_int32s(&args, 1, &words) ||
	    words.count != NETLINK_INTEREST_WORDS)
		return args_number(env, -EINVAL);
	memcpy(&interest, words.data, sizeof(interest));
	return args_number(env, netlink_events_read(fd, &interest));
}
