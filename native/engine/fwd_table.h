/*
 * The forwarding table: which peer owns a destination, which peer a datagram comes from. Made
 * whole, never changed, replaced by another one (fwd_slot.h). Lookups take no lock and no memory.
 */
#ifndef TWILL_FWD_TABLE_H
#define TWILL_FWD_TABLE_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/inner.h"

#define FWD_NO_PEER UINT32_MAX

/* One peer as JavaScript hands it over: 64 bytes, numbers in host order,
 * src/datapath/native-table.ts. */
struct fwd_entry {
	uint32_t first, last; /* IPv4 subnet */
	uint32_t underlay;    /* IPv4 address of the node */
	uint8_t vtep_mac[6];  /* zero for bare IP */
	uint8_t has_ipv6;     /* 1: first6 to last6 is its IPv6 subnet */
	uint8_t reserved[13];
	uint8_t first6[16], last6[16]; /* network order */
};

_Static_assert(sizeof(struct fwd_entry) == 64, "JavaScript writes 64 bytes");

/* Packets and inner bytes of one peer, of one thread; that thread alone writes it. */
struct peer_counters {
	_Alignas(64) _Atomic uint64_t encap_packets;
	_Atomic uint64_t encap_bytes, decap_packets, decap_bytes;
	_Atomic uint64_t decap_dropped; /* datagrams of this peer that the checks refused */
};

/* Add to one of them, on the thread that owns it. */
static inline void peer_counters_add(_Atomic uint64_t *value, uint64_t amount)
{
	atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + amount,
			      memory_order_relaxed);
}

/* What outlives a table: shared by the tables that hold a peer of the same underlay address and
 * subnet. */
struct fwd_peer_state {
	uint32_t references; /* control thread only */
	/*
	 * Until then (CLOCK_MONOTONIC_COARSE, ms) datagrams go one by one: the kernel refused a
	 * batch, so the way to this peer has a smaller MTU or a device without checksums.
	 */
	_Atomic uint64_t single_until_ms;
	atomic_bool is_refusal_told;	/* see offload.h */
	struct peer_counters threads[]; /* one for each thread of the engine */
};

struct fwd_peer {
	uint32_t first, last;
	struct ip6 first6, last6;
	bool has_ipv6;
	uint8_t vtep_mac[6];
	uint32_t underlay;	    /* host order */
	struct sockaddr_in address; /* underlay and the port of every peer: for sendmsg() */
	struct fwd_peer_state *state;
};

struct fwd_table;

/*
 * Make a table of `count` entries, in any order; `peer_port` in host order. Peers that `previous`
 * (may be NULL) has with the same subnet and underlay address keep their state. `threads` is the
 * number of peer_counters each state has, the same in every table of an engine.
 * Returns 0 and the table, or -ENOMEM, or -EINVAL when subnets overlap, an entry's first is
 * above its last, or two entries share an underlay address.
 */
int fwd_table_create(const struct fwd_entry *entries, size_t count, uint16_t peer_port,
		     size_t threads, const struct fwd_table *previous, struct fwd_table **table);

/* Free it, and the states that no other table holds. NULL is no error. Control thread only. */
void fwd_table_free(struct fwd_table *table);

/* Number of peers, and one of them: 0 to count - 1 in the order of their IPv4 subnets. */
size_t fwd_table_count(const struct fwd_table *table);
const struct fwd_peer *fwd_table_peer(const struct fwd_table *table, uint32_t peer);

/* The peer whose subnet holds the packet's destination, or FWD_NO_PEER. */
uint32_t fwd_peer_of_destination(const struct fwd_table *table, const struct inner *inner);

/* The peer with this underlay address (host order), or FWD_NO_PEER. */
uint32_t fwd_peer_of_underlay(const struct fwd_table *table, uint32_t underlay);

/* Whether the packet's source is in the peer's own subnet of that family. */
bool fwd_is_source_of(const struct fwd_table *table, uint32_t peer, const struct inner *inner);

/* Like fwd_is_source_of(), and it names one host: for IPv4 not the subnet's broadcast address. */
bool fwd_is_host_of(const struct fwd_table *table, uint32_t peer, const struct inner *inner);

#endif
