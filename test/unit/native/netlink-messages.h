/* Makes the kernel's notifications, for tests of native/os/netlink_*.c. */
#ifndef TWILL_NETLINK_MESSAGES_H
#define TWILL_NETLINK_MESSAGES_H

#include "os/netlink_parse.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FOREIGN_PROTOCOL RTPROT_BOOT
#define OWN_PROTOCOL 84
#define UNDERLAY_INDEX 3
#define DEVICE_INDEX 7
#define OTHER_INDEX 9

/* Watches eth0 (3) and the overlay device flannel.1 (7), for 10.244.0.0/16. */
static const struct netlink_interest interest = {
    .indexes = {UNDERLAY_INDEX},
    .device_index = DEVICE_INDEX,
    .own_protocol = OWN_PROTOCOL,
    .network = 0x0af40000,
    .mask = 0xffff0000,
    .names = {"eth0", "flannel.1"},
};

/* One datagram; the message that is made last ends where it ends. */
struct datagram {
	uint8_t bytes[1024];
	size_t begin, size;
};

static inline void append(struct datagram *datagram, const void *from, size_t size)
{
	memcpy(datagram->bytes + datagram->size, from, size);
	datagram->size = (datagram->size + size + 3) / 4 * 4;
}

/* Writes what the last message's length is now. */
static inline void set_length(struct datagram *datagram)
{
	uint32_t length = (uint32_t)(datagram->size - datagram->begin);

	memcpy(datagram->bytes + datagram->begin, &length, sizeof(length));
}

static inline void add_message(struct datagram *datagram, int type, const void *body, size_t size)
{
	struct nlmsghdr header = {.nlmsg_type = (uint16_t)type};

	datagram->begin = datagram->size;
	append(datagram, &header, sizeof(header));
	append(datagram, body, size);
	set_length(datagram);
}

static inline void add_attribute(struct datagram *datagram, int type, const void *value,
				 size_t size)
{
	struct rtattr header = {(unsigned short)(sizeof(header) + size), (unsigned short)type};

	append(datagram, &header, sizeof(header));
	append(datagram, value, size);
	set_length(datagram);
}

static inline void add_u32(struct datagram *datagram, int type, uint32_t value)
{
	add_attribute(datagram, type, &value, sizeof(value));
}

static inline struct datagram link_message(int type, int index, const char *name)
{
	struct ifinfomsg body = {.ifi_index = index};
	struct datagram datagram = {0};

	add_message(&datagram, type, &body, sizeof(body));
	add_attribute(&datagram, IFLA_IFNAME, name, strlen(name) + 1);
	return datagram;
}

/* What a route says: destination in host order, device 0 for none. */
struct route_facts {
	int type;
	uint32_t destination;
	unsigned char length, protocol, table;
	int index;
};

static inline struct datagram route_message(struct route_facts facts)
{
	struct rtmsg body = {.rtm_family = AF_INET,
			     .rtm_dst_len = facts.length,
			     .rtm_table = facts.table == 0 ? RT_TABLE_MAIN : facts.table,
			     .rtm_protocol = facts.protocol};
	struct datagram datagram = {0};

	add_message(&datagram, facts.type, &body, sizeof(body));
	if (facts.length > 0)
		add_u32(&datagram, RTA_DST, htonl(facts.destination));
	if (facts.index > 0)
		add_u32(&datagram, RTA_OIF, (uint32_t)facts.index);
	return datagram;
}

static inline struct datagram neighbour_message(int type, int family, int index, int state)
{
	struct ndmsg body = {.ndm_family = (unsigned char)family,
			     .ndm_ifindex = index,
			     .ndm_state = (uint16_t)state};
	struct datagram datagram = {0};

	add_message(&datagram, type, &body, sizeof(body));
	return datagram;
}

static inline struct datagram firewall_message(int type)
{
	struct nfgenmsg body = {0};
	struct datagram datagram = {0};

	add_message(&datagram, NFNL_SUBSYS_NFTABLES << 8 | type, &body, sizeof(body));
	return datagram;
}

#endif
