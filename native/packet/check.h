/* What may leave this host, and to whom; what may enter it, and from whom. Pure. */
#ifndef TWILL_CHECK_H
#define TWILL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/fwd_table.h"
#include "packet/counters.h"
#include "packet/inner.h"

/* What happens to a source that is not in the sender's subnet; see SourceCheck in backend.ts. */
enum source_check {
	SOURCE_CHECK_STRICT,
	SOURCE_CHECK_COUNT,
	SOURCE_CHECK_OFF,
};

/* What the checks go by; does not change while an engine lives. */
struct packet_rules {
	uint32_t own_first, own_last;	  /* own IPv4 subnet */
	struct ip6 own6_first, own6_last; /* own IPv6 subnet; meaningless without has_ipv6 */
	bool has_ipv6;			  /* false: IPv6 is noise, and dropped */
	enum source_check source_check;
	size_t overlay_mtu;	/* bytes; above it and DF: drop and answer */
	size_t max_inner_bytes; /* what fits one datagram: 65,507 less the framing */
};

/* What a check found out. Holds for a packet that passed; `peer` also for one that is answered. */
struct packet_verdict {
	uint32_t peer;		/* index in the table: where it goes, or where it came from */
	bool is_foreign_source; /* and source_check is COUNT */
};

/*
 * Checks `bytes` bytes read from the TUN. Returns COUNTER_ENCAP_SENT when they are to be sent to
 * verdict->peer, else the counter of the reason why not. Nothing is changed. `inner` is filled
 * as inner_parse() does. Order and rules are those of src/datapath/check-encap.ts.
 *
 * `segment_bytes` is the length of the longest packet that will be on the wire: 0 for the packet
 * itself, less for one that the kernel left to be cut.
 */
enum counter check_encap(const uint8_t *packet, size_t bytes, size_t segment_bytes,
			 const struct packet_rules *rules, const struct fwd_table *table,
			 struct inner *inner, struct packet_verdict *verdict);

/*
 * Checks the packet inside a datagram that came from `peer`, which is not FWD_NO_PEER: the
 * stranger is turned away before, and so is a frame of another network. `version` is what the
 * framing said, 0 when it says nothing; a packet of another one is COUNTER_DECAP_DROP_VERSION.
 * Returns COUNTER_DECAP_DELIVERED when it may be written to the TUN, inner->total_bytes of it.
 * Order and rules are those of src/datapath/check-decap.ts.
 */
enum counter check_decap(const uint8_t *packet, size_t bytes, uint8_t version, uint32_t peer,
			 const struct packet_rules *rules, const struct fwd_table *table,
			 struct inner *inner, struct packet_verdict *verdict);

/* Whether the packet's source is in the own subnet of its family. */
bool check_is_own_source(const struct packet_rules *rules, const struct inner *inner);

#endif
