/*
 * netlink_parse() against the rules of netlink_parse.h, read by offsets. Input: what the interest
 * leaves out (1), datagram.
 */
#include "fuzz.h"

#include "os/netlink_parse.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define WITHOUT_INDEXES 0x01u
#define WITHOUT_DEVICE 0x02u
#define WITHOUT_NAMES 0x04u
#define WITHOUT_NETWORK 0x08u

#define DEVICE 7
#define OWN_PROTOCOL 84

static struct arena arena;

static struct netlink_interest interest_without(unsigned what)
{
	struct netlink_interest interest = {.own_protocol = OWN_PROTOCOL};

	if (!(what & WITHOUT_INDEXES)) {
		interest.indexes[0] = 2;
		interest.indexes[NETLINK_INDEXES - 1] = 3;
	}
	if (!(what & WITHOUT_DEVICE))
		interest.device_index = DEVICE;
	if (!(what & WITHOUT_NAMES)) {
		memcpy(interest.names[0], "eth0", 4);
		memcpy(interest.names[NETLINK_NAMES - 1], "fifteen-letters", 15);
	}
	if (!(what & WITHOUT_NETWORK)) {
		interest.network = 0x0af40000; /* 10.244.0.0/15 */
		interest.mask = 0xfffe0000;
	}
	return interest;
}

/* Numbers in the order of this machine, as the kernel writes them. */
static uint32_t u32_at(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint16_t u16_at(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static bool slow_is_watched(unsigned without, uint32_t index)
{
	return (!(without & WITHOUT_INDEXES) && (index == 2 || index == 3)) ||
	       (!(without & WITHOUT_DEVICE) && index == DEVICE);
}

/* `value` is the text up to its first NUL, or all of it, of 16 bytes at most. */
static bool slow_is_name(const uint8_t *value, size_t bytes, const char *name)
{
	for (size_t i = 0; i < 16; i++) {
		uint8_t c = i < bytes ? value[i] : 0;

		if (c != (uint8_t)name[i])
			return false;
		if (c == 0)
			return true;
	}
	return true;
}

static bool slow_link(unsigned without, const uint8_t *body, size_t bytes)
{
	size_t at = 16;

	if (bytes < 16)
		return false;
	if (slow_is_watched(without, u32_at(body + 4)))
		return true;
	while (!(without & WITHOUT_NAMES) && at + 4 <= bytes) {
		size_t length = u16_at(body + at);

		if (length < 4 || at + length > bytes)
			return false;
		if ((u16_at(body + at + 2) & 0x3fff) == IFLA_IFNAME &&
		    (slow_is_name(body + at + 4, length - 4, "eth0\0\0\0\0\0\0\0\0\0\0\0") ||
		     slow_is_name(body + at + 4, length - 4, "fifteen-letters")))
			return true;
		at += (length + 3) / 4 * 4;
	}
	return false;
}

static bool slow_address(unsigned without, const uint8_t *body, size_t bytes)
{
	return bytes >= 8 && body[0] == AF_INET && slow_is_watched(without, u32_at(body + 4));
}

static bool slow_hops(unsigned without, const uint8_t *hops, size_t bytes)
{
	size_t at = 0;

	while (at + 8 <= bytes && u16_at(hops + at) >= 8 && at + u16_at(hops + at) <= bytes) {
		if (slow_is_watched(without, u32_at(hops + at + 4)))
			return true;
		at += (u16_at(hops + at) + 3u) / 4 * 4;
	}
	return false;
}

/* Whether the first bits, as many as the shorter prefix has, are the network's (15 bits). */
static bool slow_overlaps(unsigned without, const uint8_t *destination, unsigned length)
{
	static const uint8_t network[4] = {10, 244, 0, 0};

	for (unsigned bit = 0; bit < length && bit < 15; bit++)
		if ((destination[bit / 8] ^ network[bit / 8]) & 0x80u >> bit % 8)
			return false;
	return !(without & WITHOUT_NETWORK);
}

static bool slow_route(unsigned without, bool is_removed, const uint8_t *body, size_t bytes)
{
	uint8_t destination[4] = {0};
	bool is_watched = false, is_last_watched = false;
	uint32_t table;
	size_t at = 12;

	if (bytes < 12 || body[0] != AF_INET || body[1] > 32)
		return false;
	table = body[4];
	while (at < bytes) {
		const uint8_t *value = body + at + 4;
		size_t length;

		if (at + 4 > bytes || u16_at(body + at) < 4 || at + u16_at(body + at) > bytes)
			return false;
		length = u16_at(body + at) - (size_t)4;
		switch (u16_at(body + at + 2) & 0x3fff) {
		case RTA_TABLE:
			table = length >= 4 ? u32_at(value) : table;
			break;
		case RTA_DST:
			memcpy(destination, value, length >= 4 ? 4 : 0);
			break;
		case RTA_OIF: /* the last one holds */
			is_last_watched =
			    length >= 4 ? slow_is_watched(without, u32_at(value)) : is_last_watched;
			break;
		case RTA_MULTIPATH:
			is_watched = slow_hops(without, value, length) || is_watched;
			break;
		}
		at += (length + 4 + 3) / 4 * 4;
	}
	if (table != RT_TABLE_MAIN)
		return false;
	if (body[5] == OWN_PROTOCOL)
		return is_removed;
	return body[1] == 0 || is_watched || is_last_watched ||
	       slow_overlaps(without, destination, body[1]);
}

static bool slow_neighbour(unsigned without, bool is_removed, const uint8_t *body, size_t bytes)
{
	bool is_permanent, is_noarp;

	if (bytes < 12 || (without & WITHOUT_DEVICE) || u32_at(body + 4) != DEVICE)
		return false;
	is_permanent = u16_at(body + 8) & 0x80;
	is_noarp = u16_at(body + 8) & 0x40;
	if (body[0] == AF_BRIDGE)
		return is_removed || is_permanent || is_noarp;
	return body[0] == AF_INET && (is_removed ? !is_noarp : is_permanent);
}

static unsigned slow_message(unsigned without, unsigned type, const uint8_t *body, size_t bytes)
{
	if (type == RTM_NEWLINK || type == RTM_DELLINK)
		return slow_link(without, body, bytes) ? 1 : 0;
	if (type == RTM_NEWADDR || type == RTM_DELADDR)
		return slow_address(without, body, bytes) ? 2 : 0;
	if (type == RTM_NEWROUTE || type == RTM_DELROUTE)
		return slow_route(without, type == RTM_DELROUTE, body, bytes) ? 4 : 0;
	if (type == RTM_NEWNEIGH || type == RTM_DELNEIGH)
		return slow_neighbour(without, type == RTM_DELNEIGH, body, bytes) ? 8 : 0;
	return type == 10 * 256 + NFT_MSG_NEWGEN && bytes >= 4 ? 16 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input input = {data, bytes};
	unsigned without = take_u8(&input), wanted = 0;
	struct netlink_interest interest = interest_without(without);
	const uint8_t *datagram;
	size_t at = 0;

	arena_reset(&arena);
	datagram = arena_copy(&arena, input.at, input.left);
	while (at + 16 <= input.left) {
		size_t length = u32_at(datagram + at);

		if (length < 16 || length > input.left - at)
			break;
		wanted |= slow_message(without, u16_at(datagram + at + 4), datagram + at + 16,
				       length - 16);
		at += (length + 3) / 4 * 4;
	}
	MUST(netlink_parse(datagram, input.left, &interest) == wanted);
	return 0;
}
