/* Facts about native/os/netlink_parse.c. */
#include "netlink-messages.h"

#include "c-test.h"

/* Parses the first `size` bytes, from memory that ends there. */
static unsigned parse_first(const struct datagram *datagram, size_t size)
{
	uint8_t *bytes = malloc(size + 1); /* an allocation of 0 may be NULL */
	unsigned changes;

	memcpy(bytes + 1, datagram->bytes, size); /* and is aligned to nothing */
	changes = netlink_parse(bytes + 1, size, &interest);
	free(bytes);
	return changes;
}

static unsigned parse(struct datagram datagram)
{
	return parse_first(&datagram, datagram.size);
}

static void link_counts_by_index_or_name(void)
{
	EXPECT(parse(link_message(RTM_NEWLINK, UNDERLAY_INDEX, "renamed")), NETLINK_CHANGE_LINK);
	EXPECT(parse(link_message(RTM_DELLINK, DEVICE_INDEX, "renamed")), NETLINK_CHANGE_LINK);
	EXPECT(parse(link_message(RTM_NEWLINK, OTHER_INDEX, "flannel.1")), NETLINK_CHANGE_LINK);
	EXPECT(parse(link_message(RTM_NEWLINK, OTHER_INDEX, "eth0")), NETLINK_CHANGE_LINK);
	EXPECT(parse(link_message(RTM_NEWLINK, OTHER_INDEX, "flannel.10")), 0);
	EXPECT(parse(link_message(RTM_NEWLINK, OTHER_INDEX, "flannel.")), 0);
	EXPECT(parse(link_message(RTM_NEWLINK, OTHER_INDEX, "")), 0); /* no name is watched twice */
	EXPECT(parse(link_message(RTM_NEWLINK, 0, "")), 0); /* no index is watched often */
}

static void link_name_needs_no_nul(void)
{
	struct datagram datagram = link_message(RTM_NEWLINK, OTHER_INDEX, "");

	add_attribute(&datagram, IFLA_IFNAME, "flannel.1", 9);
	EXPECT(parse(datagram), NETLINK_CHANGE_LINK);
}

static struct datagram address_message(int type, int family, unsigned index)
{
	struct ifaddrmsg body = {.ifa_family = (unsigned char)family, .ifa_index = index};
	struct datagram datagram = {0};

	add_message(&datagram, type, &body, sizeof(body));
	return datagram;
}

static void address_counts_on_watched_devices(void)
{
	EXPECT(parse(address_message(RTM_NEWADDR, AF_INET, UNDERLAY_INDEX)),
	       NETLINK_CHANGE_ADDRESS);
	EXPECT(parse(address_message(RTM_DELADDR, AF_INET, DEVICE_INDEX)), NETLINK_CHANGE_ADDRESS);
	EXPECT(parse(address_message(RTM_DELADDR, AF_INET, OTHER_INDEX)), 0);
	EXPECT(parse(address_message(RTM_DELADDR, AF_INET6, UNDERLAY_INDEX)), 0);
}

/* Of somebody else, leaving by a device that is not watched. */
static unsigned foreign_route(uint32_t destination, unsigned char length)
{
	struct route_facts facts = {RTM_NEWROUTE,     destination, length,
				    FOREIGN_PROTOCOL, 0,	   OTHER_INDEX};
	unsigned changes = parse(route_message(facts));

	facts.type = RTM_DELROUTE;
	EXPECT(parse(route_message(facts)), changes);
	return changes;
}

static void route_of_others_counts_where_it_overlaps_the_network(void)
{
	EXPECT(foreign_route(0x0af40000, 16), NETLINK_CHANGE_ROUTE); /* the network */
	EXPECT(foreign_route(0x0af40700, 24), NETLINK_CHANGE_ROUTE); /* within */
	EXPECT(foreign_route(0x0af4ffff, 32), NETLINK_CHANGE_ROUTE);
	EXPECT(foreign_route(0x0a000000, 8), NETLINK_CHANGE_ROUTE); /* around it */
	EXPECT(foreign_route(0x00000000, 1), NETLINK_CHANGE_ROUTE);
	EXPECT(foreign_route(0x00000000, 0), NETLINK_CHANGE_ROUTE); /* default */
	EXPECT(foreign_route(0x80000000, 1), 0);
	EXPECT(foreign_route(0x0af50000, 16), 0);
	EXPECT(foreign_route(0x0af3ffff, 32), 0);
	EXPECT(foreign_route(0x0b000000, 8), 0);
	EXPECT(foreign_route(0x0af40000, 33), 0); /* nonsense */
}

static void route_of_others_counts_by_a_watched_device(void)
{
	struct route_facts facts = {RTM_NEWROUTE, 0xcb007100, 24, FOREIGN_PROTOCOL, 0, 0};

	EXPECT(parse(route_message(facts)), 0);
	facts.index = OTHER_INDEX;
	EXPECT(parse(route_message(facts)), 0);
	facts.index = UNDERLAY_INDEX;
	EXPECT(parse(route_message(facts)), NETLINK_CHANGE_ROUTE);
	facts.index = DEVICE_INDEX;
	EXPECT(parse(route_message(facts)), NETLINK_CHANGE_ROUTE);
}

static unsigned multipath_route(int first, int second)
{
	struct rtnexthop hops[2] = {{.rtnh_len = sizeof(*hops), .rtnh_ifindex = first},
				    {.rtnh_len = sizeof(*hops), .rtnh_ifindex = second}};
	struct datagram datagram = route_message(
	    (struct route_facts){RTM_NEWROUTE, 0xcb007100, 24, FOREIGN_PROTOCOL, 0, 0});

	add_attribute(&datagram, RTA_MULTIPATH, hops, sizeof(hops));
	return parse(datagram);
}

static void route_counts_by_each_of_its_next_hops(void)
{
	EXPECT(multipath_route(OTHER_INDEX, OTHER_INDEX), 0);
	EXPECT(multipath_route(UNDERLAY_INDEX, OTHER_INDEX), NETLINK_CHANGE_ROUTE);
	EXPECT(multipath_route(OTHER_INDEX, UNDERLAY_INDEX), NETLINK_CHANGE_ROUTE);
}

static void route_of_ours_counts_when_it_goes(void)
{
	struct route_facts facts = {RTM_NEWROUTE, 0x0af40700, 24, OWN_PROTOCOL, 0, DEVICE_INDEX};

	EXPECT(parse(route_message(facts)), 0);
	facts.type = RTM_DELROUTE;
	EXPECT(parse(route_message(facts)), NETLINK_CHANGE_ROUTE);
}

static void route_counts_in_table_main_only(void)
{
	struct route_facts facts = {RTM_NEWROUTE,     0x0af40700,     24,
				    FOREIGN_PROTOCOL, RT_TABLE_LOCAL, UNDERLAY_INDEX};
	struct datagram datagram;

	EXPECT(parse(route_message(facts)), 0);
	facts.table = RT_TABLE_COMPAT; /* the attribute says which */
	datagram = route_message(facts);
	add_u32(&datagram, RTA_TABLE, 1000);
	EXPECT(parse(datagram), 0);
	add_u32(&datagram, RTA_TABLE, RT_TABLE_MAIN);
	EXPECT(parse(datagram), NETLINK_CHANGE_ROUTE);
}

static void route_of_ipv6_does_not_count(void)
{
	struct datagram datagram =
	    route_message((struct route_facts){RTM_NEWROUTE, 0, 0, FOREIGN_PROTOCOL, 0, 0});

	EXPECT(parse(datagram), NETLINK_CHANGE_ROUTE);
	datagram.bytes[sizeof(struct nlmsghdr)] = AF_INET6;
	EXPECT(parse(datagram), 0);
}

static void without_a_network_none_overlaps(void)
{
	static const struct netlink_interest none = {.own_protocol = OWN_PROTOCOL};
	struct route_facts facts = {RTM_NEWROUTE, 0x0af40700, 24, FOREIGN_PROTOCOL, 0, OTHER_INDEX};
	struct datagram datagram = route_message(facts);

	EXPECT(netlink_parse(datagram.bytes, datagram.size, &none), 0);
	facts.length = 0;
	datagram = route_message(facts);
	EXPECT(netlink_parse(datagram.bytes, datagram.size, &none), NETLINK_CHANGE_ROUTE);
	datagram = neighbour_message(RTM_DELNEIGH, AF_INET, 0, NUD_PERMANENT);
	EXPECT(netlink_parse(datagram.bytes, datagram.size, &none), 0);
}

static unsigned neighbour(int type, int family, int state)
{
	EXPECT(parse(neighbour_message(type, family, OTHER_INDEX, state)), 0);
	EXPECT(parse(neighbour_message(type, family, UNDERLAY_INDEX, state)), 0);
	return parse(neighbour_message(type, family, DEVICE_INDEX, state));
}

static void neighbour_counts_on_the_overlay_device_when_it_lasts_or_goes(void)
{
	EXPECT(neighbour(RTM_NEWNEIGH, AF_INET, NUD_PERMANENT), NETLINK_CHANGE_NEIGHBOUR);
	EXPECT(neighbour(RTM_NEWNEIGH, AF_INET, NUD_REACHABLE), 0);
	EXPECT(neighbour(RTM_NEWNEIGH, AF_INET, NUD_FAILED), 0);
	EXPECT(neighbour(RTM_NEWNEIGH, AF_INET, NUD_NOARP), 0);
	EXPECT(neighbour(RTM_DELNEIGH, AF_INET, NUD_FAILED), NETLINK_CHANGE_NEIGHBOUR);
	EXPECT(neighbour(RTM_DELNEIGH, AF_INET, NUD_PERMANENT), NETLINK_CHANGE_NEIGHBOUR);
	EXPECT(neighbour(RTM_DELNEIGH, AF_INET, NUD_NOARP), 0);
	EXPECT(neighbour(RTM_DELNEIGH, AF_INET6, NUD_PERMANENT), 0);
	EXPECT(neighbour(RTM_NEWNEIGH, AF_INET6, NUD_PERMANENT), 0);
}

static void fdb_entry_counts_on_the_overlay_device_unless_it_is_learned(void)
{
	EXPECT(neighbour(RTM_NEWNEIGH, AF_BRIDGE, NUD_NOARP | NUD_PERMANENT),
	       NETLINK_CHANGE_NEIGHBOUR);
	EXPECT(neighbour(RTM_NEWNEIGH, AF_BRIDGE, NUD_NOARP | NUD_REACHABLE),
	       NETLINK_CHANGE_NEIGHBOUR);
	EXPECT(neighbour(RTM_NEWNEIGH, AF_BRIDGE, NUD_REACHABLE), 0);
	EXPECT(neighbour(RTM_DELNEIGH, AF_BRIDGE, NUD_REACHABLE), NETLINK_CHANGE_NEIGHBOUR);
}

static void firewall_counts_when_a_transaction_has_ended(void)
{
	EXPECT(parse(firewall_message(NFT_MSG_NEWGEN)), NETLINK_CHANGE_FIREWALL);
	EXPECT(parse(firewall_message(NFT_MSG_NEWRULE)), 0);
	EXPECT(parse(firewall_message(NFT_MSG_DELTABLE)), 0);
}

/* One of each kind; and a message of no interest that is no multiple of 4 long, in between. */
static struct datagram all_kinds(void)
{
	struct datagram all = link_message(RTM_NEWLINK, UNDERLAY_INDEX, "eth0"), parts[4];

	add_message(&all, RTM_NEWPREFIX, "odd", 3);
	all.bytes[all.begin]--; /* its length without the padding */
	parts[0] = address_message(RTM_NEWADDR, AF_INET, UNDERLAY_INDEX);
	parts[1] = route_message(
	    (struct route_facts){RTM_NEWROUTE, 0x0af40700, 24, FOREIGN_PROTOCOL, 0, OTHER_INDEX});
	parts[2] = neighbour_message(RTM_DELNEIGH, AF_BRIDGE, DEVICE_INDEX, NUD_PERMANENT);
	parts[3] = firewall_message(NFT_MSG_NEWGEN);
	for (size_t i = 0; i < 4; i++)
		append(&all, parts[i].bytes, parts[i].size);
	return all;
}

static void messages_of_one_datagram_add_up(void)
{
	EXPECT(parse(all_kinds()), NETLINK_CHANGE_LINK | NETLINK_CHANGE_ADDRESS |
				       NETLINK_CHANGE_ROUTE | NETLINK_CHANGE_NEIGHBOUR |
				       NETLINK_CHANGE_FIREWALL);
}

/* Cut anywhere, a datagram stands for the messages that are whole. */
static void message_that_is_cut_off_is_ignored(void)
{
	struct datagram all = all_kinds();
	unsigned changes = 0;
	size_t end = 0;

	for (size_t size = 0; size <= all.size; size++) {
		uint32_t length = 0;

		if (end + sizeof(length) <= all.size)
			memcpy(&length, all.bytes + end, sizeof(length));
		if (length > 0 && size == end + length) {
			struct datagram whole = {.size = length};

			memcpy(whole.bytes, all.bytes + end, length);
			changes |= parse(whole);
			end = (end + length + 3) / 4 * 4;
		}
		EXPECT(parse_first(&all, size), changes);
	}
	EXPECT(end, all.size);
}

/* With its own length saying so: headers that are cut, and the lists behind them. */
static void message_shorter_than_its_kind_is_ignored(void)
{
	struct datagram kinds[] = {
	    address_message(RTM_NEWADDR, AF_INET, UNDERLAY_INDEX),
	    link_message(RTM_NEWLINK, UNDERLAY_INDEX, "x"),
	    route_message((struct route_facts){RTM_NEWROUTE, 0, 0, FOREIGN_PROTOCOL, 0, 0}),
	    neighbour_message(RTM_DELNEIGH, AF_INET, DEVICE_INDEX, NUD_PERMANENT),
	    firewall_message(NFT_MSG_NEWGEN),
	};
	static const size_t bodies[] = {sizeof(struct ifaddrmsg), sizeof(struct ifinfomsg),
					sizeof(struct rtmsg), sizeof(struct ndmsg),
					sizeof(struct nfgenmsg)};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct datagram cut = kinds[i];

		EXPECT(parse(cut) != 0, 1);
		cut.size = sizeof(struct nlmsghdr) + bodies[i];
		set_length(&cut);
		EXPECT(parse(cut) != 0, 1);
		for (cut.size--; cut.size >= sizeof(struct nlmsghdr); cut.size--) {
			set_length(&cut);
			EXPECT(parse(cut), 0);
		}
	}
}

static void lengths_that_lie_end_the_reading(void)
{
	static const uint32_t lies[] = {0, 1, 15, 1000, 0x7fffffff, UINT32_MAX};
	struct datagram lying = {0};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		lying = link_message(RTM_NEWLINK, UNDERLAY_INDEX, "eth0");
		memcpy(lying.bytes, &lies[i], sizeof(lies[i]));
		EXPECT(parse(lying), 0);
	}
}

static void route_with_an_attribute_that_lies_is_ignored(void)
{
	static const unsigned short lies[] = {0, 3, 9, UINT16_MAX};
	struct route_facts facts = {RTM_NEWROUTE,     0x0af40700, 24,
				    FOREIGN_PROTOCOL, 0,	  UNDERLAY_INDEX};
	struct datagram good = route_message(facts), lying;

	EXPECT(parse(good), NETLINK_CHANGE_ROUTE);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		lying = good;
		memcpy(lying.bytes + lying.size - 8, &lies[i], sizeof(lies[i]));
		EXPECT(parse(lying), 0);
	}
}

static const struct test_case cases[] = {
    CASE(link_counts_by_index_or_name),
    CASE(link_name_needs_no_nul),
    CASE(address_counts_on_watched_devices),
    CASE(route_of_others_counts_where_it_overlaps_the_network),
    CASE(route_of_others_counts_by_a_watched_device),
    CASE(route_counts_by_each_of_its_next_hops),
    CASE(route_of_ours_counts_when_it_goes),
    CASE(route_counts_in_table_main_only),
    CASE(route_of_ipv6_does_not_count),
    CASE(without_a_network_none_overlaps),
    CASE(neighbour_counts_on_the_overlay_device_when_it_lasts_or_goes),
    CASE(fdb_entry_counts_on_the_overlay_device_unless_it_is_learned),
    CASE(firewall_counts_when_a_transaction_has_ended),
    CASE(messages_of_one_datagram_add_up),
    CASE(message_that_is_cut_off_is_ignored),
    CASE(message_shorter_than_its_kind_is_ignored),
    CASE(lengths_that_lie_end_the_reading),
    CASE(route_with_an_attribute_that_lies_is_ignored),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
