#include "addon/engine_addon_options.h"

#include <string.h>

static bool get_u32(napi_env env, napi_value object, const char *name, uint32_t *out)
{
	napi_value value;

	return napi_get_named_property(env, object, name, &value) == napi_ok &&
	       napi_get_value_uint32(env, value, out) == napi_ok;
}

static bool get_fd(napi_env env, napi_value object, const char *name, int *out)
{
	napi_value value;

	return napi_get_named_property(env, object, name, &value) == napi_ok &&
	       napi_get_value_int32(env, value, out) == napi_ok;
}

static bool get_bool(napi_env env, napi_value object, const char *name, bool *out)
{
	napi_value value;

	return napi_get_named_property(env, object, name, &value) == napi_ok &&
	       napi_get_value_bool(env, value, out) == napi_ok;
}

/* An array of bytes with exactly this length. */
static bool get_bytes(napi_env env, napi_value object, const char *name, uint8_t *out, size_t bytes)
{
	napi_typedarray_type type;
	napi_value value;
	size_t length;
	void *data;

	if (napi_get_named_property(env, object, name, &value) != napi_ok ||
	    napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok)
		return false;
	if (type != napi_uint8_array || length != bytes)
		return false;
	memcpy(out, data, bytes);
	return true;
}

static bool get_ip6(napi_env env, napi_value object, const char *name, struct ip6 *out)
{
	uint8_t bytes[16];

	if (!get_bytes(env, object, name, bytes, sizeof(bytes)))
		return false;
	*out = read_ip6(bytes);
	return true;
}

static bool get_fds(napi_env env, napi_value object, struct engine_options *options)
{
	napi_typedarray_type type;
	napi_value value;
	size_t count;
	void *data;

	if (napi_get_named_property(env, object, "tunFds", &value) != napi_ok ||
	    napi_get_typedarray_info(env, value, &type, &count, &data, NULL, NULL) != napi_ok)
		return false;
	if (type != napi_int32_array || count < 1 || count > SOCKETS_MAX_QUEUES)
		return false;
	memcpy(options->tun_fds, data, count * sizeof(int));
	options->queues = count;
	return true;
}

static bool get_framing(napi_env env, napi_value object, struct framing *framing)
{
	bool is_vxlan;

	if (!get_bool(env, object, "isVxlan", &is_vxlan) ||
	    !get_u32(env, object, "vni", &framing->vni) ||
	    !get_bytes(env, object, "ownMac", framing->own_mac, sizeof(framing->own_mac)))
		return false;
	framing->kind = is_vxlan ? FRAMING_VXLAN : FRAMING_BARE;
	return framing->vni <= 0xffffff;
}

static bool get_rules(napi_env env, napi_value object, struct packet_rules *rules)
{
	uint32_t source_check, overlay_mtu, max_inner_bytes;

	if (!get_u32(env, object, "ownFirst", &rules->own_first) ||
	    !get_u32(env, object, "ownLast", &rules->own_last) ||
	    !get_bool(env, object, "hasIpv6", &rules->has_ipv6) ||
	    !get_ip6(env, object, "own6First", &rules->own6_first) ||
	    !get_ip6(env, object, "own6Last", &rules->own6_last) ||
	    !get_u32(env, object, "sourceCheck", &source_check) ||
	    !get_u32(env, object, "overlayMtu", &overlay_mtu) ||
	    !get_u32(env, object, "maxInnerBytes", &max_inner_bytes))
		return false;
	rules->source_check = source_check;
	rules->overlay_mtu = overlay_mtu;
	rules->max_inner_bytes = max_inner_bytes;
	return source_check <= SOURCE_CHECK_OFF;
}

bool engine_addon_get_options(napi_env env, napi_value object, struct engine_options *options)
{
	uint32_t peer_port;

	if (!get_fds(env, object, options) ||
	    !get_fd(env, object, "socketFd", &options->socket_fd) ||
	    !get_u32(env, object, "peerPort", &peer_port) || peer_port > UINT16_MAX ||
	    !get_bool(env, object, "hasVnetHeader", &options->has_vnet_header) ||
	    !get_bool(env, object, "takesUdpRuns", &options->takes_udp_runs) ||
	    !get_bool(env, object, "batches", &options->batches) ||
	    !get_bool(env, object, "spreadsFlows", &options->spreads_flows) ||
	    !get_u32(env, object, "tunAddress", &options->icmp_sender.address) ||
	    !get_ip6(env, object, "tunAddress6", &options->icmp_sender.address6))
		return false;
	options->peer_port = (uint16_t)peer_port;
	return get_framing(env, object, &options->framing) &&
	       get_rules(env, object, &options->rules);
}
