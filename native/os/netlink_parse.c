#include "os/netlink_parse.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define NFT_TRANSACTION_ENDED (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)

/* Bytes that may be read. They are copied out before use: nothing says that they are aligned. */
struct span {
	const uint8_t *at;
	size_t size;
};

/* Reads the beginning of `span`, which keeps it; false when it is shorter. */
static bool peek(struct span span, void *out, size_t size)
{
	if (span.size < size)
		return false;
	memcpy(out, span.at, size);
	return true;
}

static void skip(struct span *span, size_t size)
{
	span->at += size;
	span->size -= size;
}

static bool take(struct span *span, void *out, size_t size)
{
	if (!peek(*span, out, size))
		return false;
	skip(span, size);
	return true;
}

/*
 * Takes a record of `size` bytes, header and all, off a list in which each begins at a multiple
 * of 4. False, and nothing taken, when it is shorter than its header or longer than the list.
 */
static bool take_record(struct span *list, size_t size, size_t header_bytes, struct span *body)
{
	size_t padded = (size + 3) / 4 * 4;

	if (size < header_bytes || size > list->size)
		return false;
	*body = (struct span){list->at + header_bytes, size - header_bytes};
	skip(list, padded < list->size ? padded : list->size);
	return true;
}

static bool take_attribute(struct span *list, unsigned *type, struct span *value)
{
	struct rtattr header;

	if (!peek(*list, &header, sizeof(header)) ||
	    !take_record(list, header.rta_len, sizeof(header), value))
		return false;
	*type = header.rta_type & (unsigned)NLA_TYPE_MASK;
	return true;
}

static bool is_watched(const struct netlink_interest *interest, int index)
{
	if (index <= 0)
		return false;
	for (size_t i = 0; i < NETLINK_INDEXES; i++)
		if (interest->indexes[i] == index)
			return true;
	return interest->device_index == index;
}

static bool is_watched_name(const struct netlink_interest *interest, struct span value)
{
	size_t most = value.size < NETLINK_NAME_BYTES ? value.size : NETLINK_NAME_BYTES;
	size_t length = strnlen((const char *)value.at, most);

	if (length == 0)
		return false;
	for (size_t i = 0; i < NETLINK_NAMES; i++)
		if (strnlen(interest->names[i], NETLINK_NAME_BYTES) == length &&
		    memcmp(interest->names[i], value.at, length) == 0)
			return true;
	return false;
}

static bool link_matters(struct span body, const struct netlink_interest *interest)
{
	struct ifinfomsg link;
	struct span value;
	unsigned type;

	if (!take(&body, &link, sizeof(link)))
		return false;
	if (is_watched(interest, link.ifi_index))
		return true;
	while (take_attribute(&body, &type, &value))
		if (type == IFLA_IFNAME && is_watched_name(interest, value))
			return true;
	return false;
}

static bool address_matters(struct span body, const struct netlink_interest *interest)
{
	struct ifaddrmsg address;

	return take(&body, &address, sizeof(address)) && address.ifa_family == AF_INET &&
	       is_watched(interest, (int)address.ifa_index);
}

/* One of the next hops of RTA_MULTIPATH leaves by a watched device. */
static bool has_watched_hop(struct span hops, const struct netlink_interest *interest)
{
	struct rtnexthop hop;
	struct span rest;

	while (peek(hops, &hop, sizeof(hop)) &&
	       take_record(&hops, hop.rtnh_len, sizeof(hop), &rest))
		if (is_watched(interest, hop.rtnh_ifindex))
			return true;
	return false;
}

static bool overlaps_network(const struct netlink_interest *interest, uint32_t destination_be,
			     unsigned length)
{
	uint32_t mask = length == 0 ? 0 : UINT32_MAX << (32 - length);

	return interest->mask != 0 &&
	       ((ntohl(destination_be) ^ interest->network) & mask & interest->mask) == 0;
}

static bool route_matters(struct span body, bool is_removed,
			  const struct netlink_interest *interest)
{
	struct rtmsg route;
	uint32_t table, destination_be = 0;
	int index = 0;
	bool is_by_watched = false;
	struct span value;
	unsigned type;

	if (!take(&body, &route, sizeof(route)) || route.rtm_family != AF_INET ||
	    route.rtm_dst_len > 32)
		return false;
	table = route.rtm_table;
	while (take_attribute(&body, &type, &value)) {
		if (type == RTA_TABLE)
			peek(value, &table, sizeof(table));
		else if (type == RTA_DST)
			peek(value, &destination_be, sizeof(destination_be));
		else if (type == RTA_OIF)
			peek(value, &index, sizeof(index));
		else if (type == RTA_MULTIPATH)
			is_by_watched |= has_watched_hop(value, interest);
	}
	if (body.size > 0 || table != RT_TABLE_MAIN)
		return false;
	if (route.rtm_protocol == interest->own_protocol)
		return is_removed;
	return route.rtm_dst_len == 0 || is_by_watched || is_watched(interest, index) ||
	       overlaps_network(interest, destination_be, route.rtm_dst_len);
}

static bool neighbour_matters(struct span body, bool is_removed,
			      const struct netlink_interest *interest)
{
	struct ndmsg entry;

	if (!take(&body, &entry, sizeof(entry)) || entry.ndm_ifindex <= 0 ||
	    entry.ndm_ifindex != interest->device_index)
		return false;
	if (entry.ndm_family == AF_BRIDGE)
		return is_removed || (entry.ndm_state & (NUD_PERMANENT | NUD_NOARP)) != 0;
	if (entry.ndm_family != AF_INET)
		return false;
	return is_removed ? (entry.ndm_state & NUD_NOARP) == 0
			  : (entry.ndm_state & NUD_PERMANENT) != 0;
}

static unsigned changes_of(unsigned type, struct span body, const struct netlink_interest *interest)
{
	switch (type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return link_matters(body, interest) ? NETLINK_CHANGE_LINK : 0;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return address_matters(body, interest) ? NETLINK_CHANGE_ADDRESS : 0;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route_matters(body, type == RTM_DELROUTE, interest) ? NETLINK_CHANGE_ROUTE
									   : 0;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return neighbour_matters(body, type == RTM_DELNEIGH, interest)
			   ? NETLINK_CHANGE_NEIGHBOUR
			   : 0;
	case NFT_TRANSACTION_ENDED:
		return body.size >= sizeof(struct nfgenmsg) ? NETLINK_CHANGE_FIREWALL : 0;
	default:
		return 0;
	}
}

unsigned netlink_parse(const uint8_t *bytes, size_t size, const struct netlink_interest *interest)
{
	struct span list = {bytes, size}, body;
	struct nlmsghdr header;
	unsigned changes = 0;

	while (peek(list, &header, sizeof(header)) &&
	       take_record(&list, header.nlmsg_len, sizeof(header), &body))
		changes |= changes_of(header.nlmsg_type, body, interest);
	return changes;
}
