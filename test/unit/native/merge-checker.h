/* Runs of native/packet/merge.c against the promise of its header: who cuts a run gets the packets.
 */
#ifndef TWILL_MERGE_CHECKER_H
#define TWILL_MERGE_CHECKER_H

#include "packet/merge.h"

#include "packet-cutter.h"

#define BOTH (MERGE_TCP | MERGE_UDP)

static inline struct merge *new_merge(void)
{
	struct merge *merge = malloc(sizeof(*merge));

	memset(merge, 0xa5, sizeof(*merge)); /* nobody clears it but merge_reset() */
	merge_reset(merge, BOTH);
	return merge;
}

/* Adds a packet that inner_parse() has nothing against. */
static inline bool add_packet(struct merge *merge, struct packet packet, uint32_t peer)
{
	struct inner inner;

	EXPECT(inner_parse(&inner, packet.at, packet.bytes), INNER_FAULT_NONE);
	return merge_add(merge, packet.at, &inner, peer);
}

/* What is written to the TUN, without the virtio-net header. */
static inline struct packet flatten(const struct merge_run *run)
{
	struct packet whole = {NULL, 0};
	size_t at = 0;

	for (size_t i = 1; i < run->iov_count; i++)
		whole.bytes += run->iov[i].iov_len;
	whole.at = malloc(whole.bytes);
	for (size_t i = 1; i < run->iov_count; i++) {
		memcpy(whole.at + at, run->iov[i].iov_base, run->iov[i].iov_len);
		at += run->iov[i].iov_len;
	}
	return whole;
}

/* Finished as the kernel does without any segmentation, it is a right packet. */
static inline void expect_finishable(struct packet whole, const struct virtio_net_hdr *vnet)
{
	struct packet finished = {malloc(whole.bytes), whole.bytes};

	memcpy(finished.at, whole.at, whole.bytes);
	EXPECT(get16(whole.at + checksum_at(whole.at)), naive_pseudo(whole.at, whole.bytes));
	naive_finish(whole.at, whole.bytes);
	EXPECT(cut_finish_checksum(finished.at, finished.bytes, vnet), 0);
	expect_same(finished, whole);
	free(finished.at);
}

static inline void expect_merged(const struct merge_run *run)
{
	struct packet whole = flatten(run);
	struct virtio_net_hdr wanted = vnet_of(whole.at, run->vnet.gso_size);
	struct cut cut;

	EXPECT(run->header_bytes, header_bytes_of(whole.at));
	EXPECT(memcmp(&run->vnet, &wanted, sizeof(wanted)), 0);
	EXPECT(whole.bytes <= 65535, 1);
	EXPECT(open_cut(&cut, whole, &run->vnet), 0);
	EXPECT(cut.count, run->packets);
	for (size_t i = 0; i < cut.count; i++) {
		struct iovec original = run->originals[i];
		struct packet segment = take_segment(&cut, i);

		expect_same(segment, (struct packet){original.iov_base, original.iov_len});
		free(segment.at);
	}
	expect_finishable(whole, &run->vnet);
	free(whole.at);
}

static inline void expect_single(const struct merge_run *run)
{
	static const struct virtio_net_hdr nothing;

	EXPECT(run->iov_count, 2);
	EXPECT(run->iov[1].iov_base == run->originals[0].iov_base, 1);
	EXPECT(run->iov[1].iov_len, run->originals[0].iov_len);
	EXPECT(memcmp(&run->vnet, &nothing, sizeof(nothing)), 0);
}

/* Holds for every finished run. */
static inline void expect_run(const struct merge_run *run)
{
	size_t bytes = 0;

	EXPECT(run->iov[0].iov_base == &run->vnet, 1);
	EXPECT(run->iov[0].iov_len, sizeof(run->vnet));
	EXPECT(run->packets >= 1 && run->packets <= MERGE_MAX_PACKETS, 1);
	for (size_t i = 0; i < run->packets; i++)
		bytes += run->originals[i].iov_len;
	EXPECT(run->bytes, bytes);
	if (run->packets > 1)
		expect_merged(run);
	else
		expect_single(run);
}

/* Two packets, the second of which follows the first, of each family and protocol in turn. */
struct pair {
	struct recipe recipe;
	struct packet first, second;
};

static inline struct recipe next_of(const struct recipe *recipe)
{
	struct recipe next = *recipe;

	next.sequence += (uint32_t)recipe->payload_bytes;
	next.id++;
	return next;
}

static inline struct recipe recipe_of_kind(uint64_t kind, size_t payload_bytes, uint64_t *seed)
{
	struct recipe recipe = random_recipe(seed, payload_bytes);
	struct recipe other = random_recipe(seed, payload_bytes);
	uint8_t version = kind & 1 ? 6 : 4;

	while (other.version != version)
		other = random_recipe(seed, payload_bytes);
	recipe = other;
	recipe.protocol = kind & 2 ? IPPROTO_UDP : IPPROTO_TCP;
	recipe.ip_option_words = kind & 4 ? 3 : 0;
	recipe.tcp_option_words = kind & 8 ? 10 : 3;
	return recipe;
}

#define KINDS 16

static inline struct pair make_pair(uint64_t kind, size_t payload_bytes)
{
	uint64_t seed = kind;
	struct pair pair = {.recipe = recipe_of_kind(kind, payload_bytes, &seed)};
	struct recipe next = next_of(&pair.recipe);

	pair.first = make_packet(&pair.recipe, &seed);
	pair.second = make_packet(&next, &seed);
	return pair;
}

static inline void free_pair(struct pair *pair)
{
	free(pair->first.at);
	free(pair->second.at);
}

/* How many runs two packets make, each of which holds what it promises. */
static inline size_t runs_of(struct merge *merge, const struct pair *pair)
{
	merge_reset(merge, BOTH);
	EXPECT(add_packet(merge, pair->first, 1), true);
	EXPECT(add_packet(merge, pair->second, 1), true);
	merge_finish(merge);
	for (size_t i = 0; i < merge->count; i++)
		expect_run(&merge->runs[i]);
	EXPECT(merge->runs[0].originals[0].iov_base == pair->first.at, 1);
	return merge->count;
}

#endif
