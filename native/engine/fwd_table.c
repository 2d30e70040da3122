#include "engine/fwd_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An IPv6 subnet and its owner; its last address is read from the peer, which is needed anyway. */
struct subnet6 {
	struct ip6 first;
	uint32_t peer;
};

struct bucket {
	uint32_t underlay;
	uint32_t peer; /* FWD_NO_PEER: free */
};

struct fwd_table {
	size_t count, count6;
	struct fwd_peer *peers; /* ascending by first */
	/* What lookups walk through, apart from the peers: 16 firsts share a cache line. */
	uint32_t *firsts;
	struct subnet6 *subnets6; /* ascending by first */
	/* Open addressing with linear probing, at most half full, so it always has a free bucket.
	 */
	struct bucket *buckets;
	unsigned bucket_bits;
};

static bool ip6_is_above(struct ip6 a, struct ip6 b)
{
	return a.high > b.high || (a.high == b.high && a.low > b.low);
}

/*
 * Fibonacci hashing (Knuth, TAOCP volume 3, section 6.4): the top bits of a product with 2^32
 * over the golden ratio. Addresses at equal distances, as hosts have them, hardly ever meet.
 */
static size_t bucket_of(const struct fwd_table *table, uint32_t underlay)
{
	return (uint32_t)(underlay * 0x9e3779b1u) >> (32 - table->bucket_bits);
}

static size_t next_bucket(const struct fwd_table *table, size_t bucket)
{
	return (bucket + 1) & (((size_t)1 << table->bucket_bits) - 1);
}

size_t fwd_table_count(const struct fwd_table *table)
{
	return table->count;
}

const struct fwd_peer *fwd_table_peer(const struct fwd_table *table, uint32_t peer)
{
	return &table->peers[peer];
}

static uint32_t peer_of_ipv4(const struct fwd_table *table, uint32_t address)
{
	size_t low = 0, count = table->count;

	while (count > 0) {
		size_t half = count / 2;
		bool is_right = table->firsts[low + half] <= address;

		low += is_right ? half + 1 : 0;
		count = is_right ? count - half - 1 : half;
	}
	if (low == 0 || address > table->peers[low - 1].last)
		return FWD_NO_PEER;
	return (uint32_t)(low - 1);
}

static uint32_t peer_of_ipv6(const struct fwd_table *table, struct ip6 address)
{
	size_t low = 0, high = table->count6;
	uint32_t peer;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip6_is_above(table->subnets6[middle].first, address))
			high = middle;
		else
			low = middle + 1;
	}
	if (low == 0)
		return FWD_NO_PEER;
	peer = table->subnets6[low - 1].peer;
	return ip6_is_above(address, table->peers[peer].last6) ? FWD_NO_PEER : peer;
}

uint32_t fwd_peer_of_destination(const struct fwd_table *table, const struct inner *inner)
{
	return inner->version == 4 ? peer_of_ipv4(table, inner->destination)
				   : peer_of_ipv6(table, inner->destination6);
}

uint32_t fwd_peer_of_underlay(const struct fwd_table *table, uint32_t underlay)
{
	size_t at = bucket_of(table, underlay);

	while (table->buckets[at].peer != FWD_NO_PEER && table->buckets[at].underlay != underlay)
		at = next_bucket(table, at);
	return table->buckets[at].peer;
}

bool fwd_is_source_of(const struct fwd_table *table, uint32_t peer, const struct inner *inner)
{
	const struct fwd_peer *p = &table->peers[peer];

	if (inner->version == 4)
		return inner->source >= p->first && inner->source <= p->last;
	return p->has_ipv6 && !ip6_is_above(p->first6, inner->source6) &&
	       !ip6_is_above(inner->source6, p->last6);
}

bool fwd_is_host_of(const struct fwd_table *table, uint32_t peer, const struct inner *inner)
{
	return fwd_is_source_of(table, peer, inner) &&
	       (inner->version != 4 || inner->source != table->peers[peer].last);
}

static int compare_peers(const void *left, const void *right)
{
	const struct fwd_peer *a = left, *b = right;

	return (a->first > b->first) - (a->first < b->first);
}

static int compare_subnets6(const void *left, const void *right)
{
	const struct subnet6 *a = left, *b = right;

	return ip6_is_above(a->first, b->first) - ip6_is_above(b->first, a->first);
}

static void fill_peer(struct fwd_peer *peer, const struct fwd_entry *entry, uint16_t peer_port)
{
	peer->first = entry->first;
	peer->last = entry->last;
	peer->has_ipv6 = entry->has_ipv6 != 0;
	if (peer->has_ipv6) {
		peer->first6 = read_ip6(entry->first6);
		peer->last6 = read_ip6(entry->last6);
	}
	memcpy(peer->vtep_mac, entry->vtep_mac, sizeof(peer->vtep_mac));
	peer->underlay = entry->underlay;
	peer->address.sin_family = AF_INET;
	peer->address.sin_port = htons(peer_port);
	peer->address.sin_addr.s_addr = htonl(entry->underlay);
}

/* Sorted ranges overlap when neighbours do. */
static int index_ipv4(struct fwd_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct fwd_peer *peer = &table->peers[i];

		if (peer->first > peer->last || (i > 0 && peer->first <= peer[-1].last))
			return -EINVAL;
		table->firsts[i] = peer->first;
	}
	return 0;
}

static int index_ipv6(struct fwd_table *table)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct fwd_peer *peer = &table->peers[i];

		if (!peer->has_ipv6)
			continue;
		if (ip6_is_above(peer->first6, peer->last6))
			return -EINVAL;
		table->subnets6[table->count6++] = (struct subnet6){peer->first6, i};
	}
	qsort(table->subnets6, table->count6, sizeof(*table->subnets6), compare_subnets6);
	for (size_t i = 1; i < table->count6; i++) {
		const struct fwd_peer *below = &table->peers[table->subnets6[i - 1].peer];

		if (!ip6_is_above(table->subnets6[i].first, below->last6))
			return -EINVAL;
	}
	return 0;
}

static int index_underlay(struct fwd_table *table)
{
	for (size_t i = 0; i < (size_t)1 << table->bucket_bits; i++)
		table->buckets[i].peer = FWD_NO_PEER;
	for (uint32_t i = 0; i < table->count; i++) {
		uint32_t underlay = table->peers[i].underlay;
		size_t at = bucket_of(table, underlay);

		while (table->buckets[at].peer != FWD_NO_PEER) {
			if (table->buckets[at].underlay == underlay)
				return -EINVAL;
			at = next_bucket(table, at);
		}
		table->buckets[at] = (struct bucket){underlay, i};
	}
	return 0;
}

static struct fwd_peer_state *new_state(size_t threads)
{
	size_t bytes = sizeof(struct fwd_peer_state) + threads * sizeof(struct peer_counters);
	struct fwd_peer_state *state =
	    aligned_alloc(_Alignof(struct fwd_peer_state), bytes); /* sizeof is a multiple of it */

	if (state != NULL)
		memset(state, 0, bytes);
	return state;
}

/* The state that `previous` has for this peer, or NULL. */
static struct fwd_peer_state *state_in(const struct fwd_table *previous,
				       const struct fwd_peer *peer)
{
	uint32_t index =
	    previous == NULL ? FWD_NO_PEER : fwd_peer_of_underlay(previous, peer->underlay);
	const struct fwd_peer *old;

	if (index == FWD_NO_PEER)
		return NULL;
	old = &previous->peers[index];
	return old->first == peer->first && old->last == peer->last ? old->state : NULL;
}

static int take_states(struct fwd_table *table, size_t threads, const struct fwd_table *previous)
{
	for (size_t i = 0; i < table->count; i++) {
		struct fwd_peer *peer = &table->peers[i];
		struct fwd_peer_state *state = state_in(previous, peer);

		if (state == NULL)
			state = new_state(threads);
		if (state == NULL)
			return -ENOMEM;
		state->references++;
		peer->state = state;
	}
	return 0;
}

/* calloc(), where NULL always means that there is no memory. */
static void *new_array(size_t count, size_t size)
{
	return calloc(count > 0 ? count : 1, size);
}

static struct fwd_table *new_table(size_t count)
{
	struct fwd_table *table;

	if (count > UINT32_MAX / 4) /* bucket_bits stays below 32, a peer below FWD_NO_PEER */
		return NULL;
	table = calloc(1, sizeof(*table));
	if (table == NULL)
		return NULL;
	table->bucket_bits = 1;
	while ((size_t)1 << table->bucket_bits < 2 * count)
		table->bucket_bits++;
	table->peers = new_array(count, sizeof(*table->peers));
	table->firsts = new_array(count, sizeof(*table->firsts));
	table->subnets6 = new_array(count, sizeof(*table->subnets6));
	table->buckets = new_array((size_t)1 << table->bucket_bits, sizeof(*table->buckets));
	if (table->peers != NULL && table->firsts != NULL && table->subnets6 != NULL &&
	    table->buckets != NULL)
		return table;
	fwd_table_free(table);
	return NULL;
}

int fwd_table_create(const struct fwd_entry *entries, size_t count, uint16_t peer_port,
		     size_t threads, const struct fwd_table *previous, struct fwd_table **table)
{
	struct fwd_table *t = new_table(count);
	int ret;

	if (t == NULL)
		return -ENOMEM;
	t->count = count;
	for (size_t i = 0; i < count; i++)
		fill_peer(&t->peers[i], &entries[i], peer_port);
	qsort(t->peers, count, sizeof(*t->peers), compare_peers);
	ret = index_ipv4(t);
	if (ret == 0)
		ret = index_ipv6(t);
	if (ret == 0)
		ret = index_underlay(t);
	if (ret == 0)
		ret = take_states(t, threads, previous);
	if (ret < 0) {
		fwd_table_free(t);
		return ret;
	}
	*table = t;
	return 0;
}

static void release_state(struct fwd_peer_state *state)
{
	if (state != NULL && --state->references == 0)
		free(state);
}

void fwd_table_free(struct fwd_table *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->count; i++)
		release_state(table->peers[i].state);
	free(table->buckets);
	free(table->subnets6);
	free(table->firsts);
	free(table->peers);
	free(table);
}
