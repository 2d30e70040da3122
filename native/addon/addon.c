/*
 * The addon as JavaScript sees it. Only the addon*.c files know Node-API. Every function
 * answers with a value or a negative errno and throws nothing; arguments of a wrong type, and
 * ranges outside a buffer, are -EINVAL. src/addon/addon.ts has the types.
 */
#include <errno.h>
#include <string.h>

#include "addon/addon_args.h"
#include "addon/addon_events.h"
#include "addon/addon_run.h"
#include "addon/addon_watch.h"
#include "os/fd_watch.h"
#include "os/packet_io.h"
#include "os/process.h"
#include "os/tun.h"
#include "os/udp_socket.h"

#define MAX_NAME_BYTES 256   /* above any device name or socket path, which C checks closely */
#define MAX_STATE_BYTES 4096 /* of an sd_notify(3) message */

static napi_value tun_open_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	char name[MAX_NAME_BYTES];
	bool wants_offloads;
	struct args_int32s fds;

	if (!args_get_text(&args, 0, name, sizeof(name)) ||
	    !args_get_bool(&args, 1, &wants_offloads) || !args_get_int32s(&args, 2, &fds))
		return args_number(env, -EINVAL);
	return args_number(env, tun_open(name, wants_offloads, fds.data, fds.count));
}

static napi_value tun_set_persistent_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	int32_t fd;
	bool is_persistent;

	if (!args_get_int(&args, 0, &fd) || !args_get_bool(&args, 1, &is_persistent))
		return args_number(env, -EINVAL);
	return args_number(env, tun_set_persistent(fd, is_persistent));
}

/* Reads (fd, buffer, offset, length); the range lies inside the buffer when it says true. */
static bool get_packet(const struct args *args, int32_t *fd, struct args_bytes *packet)
{
	struct args_bytes buffer;
	size_t offset, length;

	if (!args_get_int(args, 0, fd) || !args_get_bytes(args, 1, &buffer))
		return false;
	if (!args_get_size(args, 2, &offset) || !args_get_size(args, 3, &length))
		return false;
	if (offset > buffer.size || length > buffer.size - offset)
		return false;
	*packet = (struct args_bytes){buffer.data + offset, length};
	return true;
}

static napi_value packet_read_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct args_bytes packet;
	int32_t fd;

	if (!get_packet(&args, &fd, &packet))
		return args_number(env, -EINVAL);
	return args_number(env, packet_read(fd, packet.data, packet.size));
}

static napi_value packet_write_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct args_bytes packet;
	int32_t fd;

	if (!get_packet(&args, &fd, &packet))
		return args_number(env, -EINVAL);
	return args_number(env, packet_write(fd, packet.data, packet.size));
}

static napi_value packet_pair_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct args_int32s fds;

	if (!args_get_int32s(&args, 0, &fds) || fds.count < 2)
		return args_number(env, -EINVAL);
	return args_number(env, packet_pair(fds.data));
}

static napi_value udp_socket_open_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	struct udp_socket_options options = {0};
	int32_t port;

	if (napi_get_value_uint32(env, args.values[0], &options.address) != napi_ok)
		return args_number(env, -EINVAL);
	if (!args_get_int(&args, 1, &port) || port < 0 || port > UINT16_MAX)
		return args_number(env, -EINVAL);
	if (!args_get_int(&args, 2, &options.receive_buffer_bytes) ||
	    !args_get_int(&args, 3, &options.send_buffer_bytes))
		return args_number(env, -EINVAL);
	options.port = (uint16_t)port;
	return args_number(env, udp_socket_open(&options));
}

static napi_value udp_socket_forbid_reuse_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	int32_t fd;

	return args_number(env,
			   args_get_int(&args, 0, &fd) ? udp_socket_forbid_reuse(fd) : -EINVAL);
}

static napi_value udp_socket_drops_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	napi_value result = NULL;
	int32_t fd;

	if (!args_get_int(&args, 0, &fd))
		return args_number(env, -EINVAL);
	napi_create_uint32(env, udp_socket_drops(fd), &result);
	return result;
}

static napi_value lock_file_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	int32_t fd;

	return args_number(env, args_get_int(&args, 0, &fd) ? process_lock_file(fd) : -EINVAL);
}

static napi_value send_unix_datagram_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	char path[MAX_NAME_BYTES], text[MAX_STATE_BYTES];

	if (!args_get_text(&args, 0, path, sizeof(path)) ||
	    !args_get_text(&args, 1, text, sizeof(text)))
		return args_number(env, -EINVAL);
	return args_number(env, process_send_unix_datagram(path, text, strlen(text)));
}

static napi_value harden_process_js(napi_env env, napi_callback_info info)
{
	(void)info;
	return args_number(env, process_harden());
}

static napi_value end_process_js(napi_env env, napi_callback_info info)
{
	struct args args = args_of(env, info);
	int32_t status;

	if (!args_get_int(&args, 0, &status))
		return args_number(env, -EINVAL);
	process_end(status);
}

#define FUNCTION(name, implementation)                                              \
	{                                                                           \
		name, NULL, implementation, NULL, NULL, NULL, napi_enumerable, NULL \
	}

NAPI_MODULE_INIT()
{
	const napi_property_descriptor functions[] = {
	    FUNCTION("tunOpen", tun_open_js),
	    FUNCTION("tunSetPersistent", tun_set_persistent_js),
	    FUNCTION("packetRead", packet_read_js),
	    FUNCTION("packetWrite", packet_write_js),
	    FUNCTION("packetPair", packet_pair_js),
	    FUNCTION("udpSocketOpen", udp_socket_open_js),
	    FUNCTION("udpSocketForbidReuse", udp_socket_forbid_reuse_js),
	    FUNCTION("udpSocketDrops", udp_socket_drops_js),
	    FUNCTION("watchOpen", addon_watch_open),
	    FUNCTION("watchClose", addon_watch_close),
	    FUNCTION("runStart", addon_run_start),
	    FUNCTION("runDoneFd", addon_run_done_fd),
	    FUNCTION("runStop", addon_run_stop),
	    FUNCTION("runTake", addon_run_take),
	    FUNCTION("netlinkOpenRoute", addon_netlink_open_route),
	    FUNCTION("netlinkOpenFirewall", addon_netlink_open_firewall),
	    FUNCTION("netlinkRead", addon_netlink_read),
	    FUNCTION("lockFile", lock_file_js),
	    FUNCTION("sendUnixDatagram", send_unix_datagram_js),
	    FUNCTION("hardenProcess", harden_process_js),
	    FUNCTION("endProcess", end_process_js),
	};

	if (fd_watch_check_libuv() < 0) {
		napi_throw_error(env, NULL, "this Node.js has another libuv than version 1");
		return NULL;
	}
	napi_define_properties(env, exports, sizeof(functions) / sizeof(functions[0]), functions);
	return exports;
}
