#include "packet/check.h"

/* Outcomes by what inner_parse() found wrong. */
static const enum counter encap_drops[] = {
    [INNER_FAULT_SHORT] = COUNTER_ENCAP_DROP_SHORT,
    [INNER_FAULT_VERSION] = COUNTER_ENCAP_DROP_VERSION,
    [INNER_FAULT_HEADER_LENGTH] = COUNTER_ENCAP_DROP_HEADER_LENGTH,
    [INNER_FAULT_TOTAL_LENGTH] = COUNTER_ENCAP_DROP_TOTAL_LENGTH,
    [INNER_FAULT_CHECKSUM] = COUNTER_ENCAP_DROP_CHECKSUM,
    [INNER_FAULT_MARTIAN] = COUNTER_ENCAP_DROP_MARTIAN,
};
static const enum counter decap_drops[] = {
    [INNER_FAULT_SHORT] = COUNTER_DECAP_DROP_SHORT,
    [INNER_FAULT_VERSION] = COUNTER_DECAP_DROP_VERSION,
    [INNER_FAULT_HEADER_LENGTH] = COUNTER_DECAP_DROP_HEADER_LENGTH,
    [INNER_FAULT_TOTAL_LENGTH] = COUNTER_DECAP_DROP_TOTAL_LENGTH,
    [INNER_FAULT_CHECKSUM] = COUNTER_DECAP_DROP_CHECKSUM,
    [INNER_FAULT_MARTIAN] = COUNTER_DECAP_DROP_MARTIAN,
};

static bool is_at_most(struct ip6 a, struct ip6 b)
{
	return a.high < b.high || (a.high == b.high && a.low <= b.low);
}

static bool is_own(const struct packet_rules *rules, uint8_t version, uint32_t address,
		   struct ip6 address6)
{
	if (version == 4)
		return address >= rules->own_first && address <= rules->own_last;
	return rules->has_ipv6 && is_at_most(rules->own6_first, address6) &&
	       is_at_most(address6, rules->own6_last);
}

static bool is_own_destination(const struct packet_rules *rules, const struct inner *inner)
{
	return is_own(rules, inner->version, inner->destination, inner->destination6);
}

bool check_is_own_source(const struct packet_rules *rules, const struct inner *inner)
{
	return is_own(rules, inner->version, inner->source, inner->source6);
}

enum counter check_encap(const uint8_t *packet, size_t bytes, size_t segment_bytes,
			 const struct packet_rules *rules, const struct fwd_table *table,
			 struct inner *inner, struct packet_verdict *verdict)
{
	enum inner_fault fault = inner_parse(inner, packet, bytes);
	bool is_foreign;
	size_t longest;

	*verdict = (struct packet_verdict){.peer = FWD_NO_PEER};
	/* Whole or broken, it is the same noise; below 20 bytes nothing tells what it is. */
	if (!rules->has_ipv6 && bytes >= INNER_MIN_HEADER_BYTES && packet[0] >> 4 == 6)
		return COUNTER_ENCAP_DROP_IPV6;
	if (fault != INNER_FAULT_NONE)
		return encap_drops[fault];

	is_foreign = INNER_CHECKS && rules->source_check != SOURCE_CHECK_OFF &&
		     !check_is_own_source(rules, inner);
	if (is_foreign && rules->source_check == SOURCE_CHECK_STRICT)
		return COUNTER_ENCAP_DROP_FOREIGN_SOURCE;
	if (INNER_CHECKS && is_own_destination(rules, inner))
		return COUNTER_ENCAP_DROP_OWN_DESTINATION;
	if (inner->ip_ttl <= 1)
		return COUNTER_ENCAP_DROP_TTL;
	verdict->peer = fwd_peer_of_destination(table, inner);
	if (verdict->peer == FWD_NO_PEER)
		return COUNTER_ENCAP_DROP_NO_PEER;
	longest = segment_bytes > 0 ? segment_bytes : inner->total_bytes;
	if (longest > rules->overlay_mtu && inner->must_not_fragment)
		return COUNTER_ENCAP_DROP_DONT_FRAGMENT;
	if (longest > rules->max_inner_bytes)
		return COUNTER_ENCAP_DROP_TOO_LONG;
	verdict->is_foreign_source = is_foreign;
	return COUNTER_ENCAP_SENT;
}

/* Whether a packet of 20 bytes or more is of an IP version that we or its framing do not allow. */
static bool is_wrong_version(const uint8_t *packet, uint8_t version,
			     const struct packet_rules *rules)
{
	uint8_t own_version = packet[0] >> 4;

	return (version != 0 && own_version != version) || (own_version == 6 && !rules->has_ipv6);
}

enum counter check_decap(const uint8_t *packet, size_t bytes, uint8_t version, uint32_t peer,
			 const struct packet_rules *rules, const struct fwd_table *table,
			 struct inner *inner, struct packet_verdict *verdict)
{
	enum inner_fault fault = inner_parse(inner, packet, bytes);
	bool is_foreign;

	*verdict = (struct packet_verdict){.peer = peer};
	if (bytes >= INNER_MIN_HEADER_BYTES && is_wrong_version(packet, version, rules))
		return COUNTER_DECAP_DROP_VERSION;
	if (fault != INNER_FAULT_NONE)
		return decap_drops[fault];

	if (!INNER_CHECKS)
		return COUNTER_DECAP_DELIVERED;
	/* Whatever source_check says: those packets never leave this host. */
	if (check_is_own_source(rules, inner))
		return COUNTER_DECAP_DROP_FOREIGN_SOURCE;
	is_foreign =
	    rules->source_check != SOURCE_CHECK_OFF && !fwd_is_source_of(table, peer, inner);
	if (is_foreign && rules->source_check == SOURCE_CHECK_STRICT)
		return COUNTER_DECAP_DROP_FOREIGN_SOURCE;
	if (!is_own_destination(rules, inner))
		return COUNTER_DECAP_DROP_FOREIGN_DESTINATION;
	if (inner->ip_ttl <= 1)
		return COUNTER_DECAP_DROP_TTL;
	verdict->is_foreign_source = is_foreign;
	return COUNTER_DECAP_DELIVERED;
}
