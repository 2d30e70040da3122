/* Where runs of native/packet/merge.c end. */
#include "merge-checker.h"

static void last_may_be_shorter_but_not_longer(void)
{
	struct merge *merge = new_merge();

	for (uint64_t kind = 0; kind < KINDS; kind++) {
		for (size_t bytes = 0; bytes <= 101; bytes += bytes == 1 ? 97 : 1) {
			struct pair pair = make_pair(kind, 100);
			struct recipe next = next_of(&pair.recipe);
			uint64_t seed = bytes;

			free(pair.second.at);
			next.payload_bytes = bytes;
			pair.second = make_packet(&next, &seed);
			EXPECT(runs_of(merge, &pair), bytes >= 1 && bytes <= 100 ? 1 : 2);
			free_pair(&pair);
		}
	}
	free(merge);
}

/* Adds `count` packets of a kind and lets go of them; returns the packets of each run in turn. */
static size_t packets_of_run(uint64_t kind, const size_t *payloads, size_t count, size_t index)
{
	struct merge *merge = new_merge();
	struct packet packets[MERGE_MAX_PACKETS + 2];
	uint64_t seed = kind;
	struct recipe recipe = recipe_of_kind(kind, 0, &seed);
	size_t found;

	for (size_t i = 0; i < count; i++) {
		recipe.payload_bytes = payloads[i];
		packets[i] = make_packet(&recipe, &seed);
		recipe = next_of(&recipe);
		EXPECT(add_packet(merge, packets[i], 0), true);
	}
	merge_finish(merge);
	for (size_t i = 0; i < merge->count; i++)
		expect_run(&merge->runs[i]);
	found = index < merge->count ? merge->runs[index].packets : 0;
	for (size_t i = 0; i < count; i++)
		free(packets[i].at);
	free(merge);
	return found;
}

static void run_has_at_most_64_packets(void)
{
	size_t payloads[MERGE_MAX_PACKETS + 2];

	for (size_t i = 0; i < MERGE_MAX_PACKETS + 2; i++)
		payloads[i] = 600;
	for (uint64_t kind = 0; kind < KINDS; kind++) {
		EXPECT(packets_of_run(kind, payloads, MERGE_MAX_PACKETS, 0), MERGE_MAX_PACKETS);
		EXPECT(packets_of_run(kind, payloads, MERGE_MAX_PACKETS + 2, 0), MERGE_MAX_PACKETS);
		EXPECT(packets_of_run(kind, payloads, MERGE_MAX_PACKETS + 2, 1), 2);
	}
}

static void run_has_at_most_65535_bytes(void)
{
	for (uint64_t kind = 0; kind < KINDS; kind++) {
		struct pair pair = make_pair(kind, 1);
		size_t room = 65535 - (pair.first.bytes - 1), half = (room + 1) / 2;
		size_t fits[] = {half, room - half}, does_not[] = {half, room - half + 1};
		size_t three[] = {20000, 20000, 20000, 20000};

		does_not[0] += does_not[1] > does_not[0];
		EXPECT(packets_of_run(kind, fits, 2, 0), 2);
		EXPECT(packets_of_run(kind, does_not, 2, 0), 1);
		EXPECT(packets_of_run(kind, three, 4, 0), 3);
		free_pair(&pair);
	}
}

static void psh_ends_a_run(void)
{
	struct merge *merge = new_merge();
	struct pair pair = make_pair(0, 50);
	size_t flags = ip_bytes_of(pair.first.at) + 13;

	pair.second.at[flags] |= 0x08;
	naive_finish(pair.second.at, pair.second.bytes);
	EXPECT(runs_of(merge, &pair), 1);
	EXPECT(merge->runs[0].header[flags], 0x18);
	pair.first.at[flags] |= 0x08;
	naive_finish(pair.first.at, pair.first.bytes);
	EXPECT(runs_of(merge, &pair), 2);
	free_pair(&pair);
	free(merge);
}

static void only_what_is_allowed_is_merged(void)
{
	struct merge *merge = new_merge();

	for (uint64_t kind = 0; kind < KINDS; kind++) {
		struct pair pair = make_pair(kind, 50);

		for (unsigned allowed = 0; allowed < 4; allowed++) {
			unsigned mine = pair.recipe.protocol == IPPROTO_TCP ? MERGE_TCP : MERGE_UDP;

			merge_reset(merge, allowed);
			EXPECT(add_packet(merge, pair.first, 0), true);
			EXPECT(add_packet(merge, pair.second, 0), true);
			EXPECT(merge->count, allowed & mine ? 1 : 2);
		}
		free_pair(&pair);
	}
	free(merge);
}

static void packets_of_two_peers_are_not_merged(void)
{
	struct merge *merge = new_merge();
	struct pair pair = make_pair(0, 50);

	EXPECT(add_packet(merge, pair.first, 0), true);
	EXPECT(add_packet(merge, pair.second, 1), true);
	EXPECT(merge->count, 2);
	EXPECT(merge->runs[1].peer, 1);
	free_pair(&pair);
	free(merge);
}

/* Adds the pair with `between` in the middle; returns how many packets the first run has. */
static size_t packets_around(struct merge *merge, const struct pair *pair,
			     const struct recipe *between)
{
	uint64_t seed = 1;
	struct packet packet = make_packet(between, &seed);

	merge_reset(merge, BOTH);
	EXPECT(add_packet(merge, pair->first, 0), true);
	EXPECT(add_packet(merge, packet, 0), true);
	EXPECT(add_packet(merge, pair->second, 0), true);
	free(packet.at);
	return merge->runs[0].packets;
}

static void what_cannot_be_merged_is_not_overtaken(void)
{
	struct merge *merge = new_merge();

	for (uint64_t kind = 0; kind < KINDS; kind += 2) { /* IPv4, for the fragments */
		struct pair pair = make_pair(kind, 50);
		struct recipe empty = pair.recipe, fragment = pair.recipe, reset = pair.recipe;

		empty.payload_bytes = 0;
		reset.flags |= 0x04;
		fragment.fragment = 0x0010;
		EXPECT(packets_around(merge, &pair, &empty), 1);
		EXPECT(packets_around(merge, &pair, &fragment), 1);
		if (pair.recipe.protocol == IPPROTO_TCP)
			EXPECT(packets_around(merge, &pair, &reset), 1);
		empty.ports[0] ^= 1; /* another flow between the same hosts may be overtaken */
		EXPECT(packets_around(merge, &pair, &empty), 2);
		fragment.destination[3] ^= 1;
		EXPECT(packets_around(merge, &pair, &fragment), 2);
		free_pair(&pair);
	}
	free(merge);
}

static void without_room_nothing_is_added(void)
{
	struct merge *merge = new_merge();
	struct pair pair = make_pair(0, 50);
	struct recipe single = pair.recipe;
	struct packet packet;
	uint64_t seed = 0;

	single.ports[0] ^= 1;
	single.payload_bytes = 0;
	packet = make_packet(&single, &seed);
	EXPECT(add_packet(merge, pair.first, 0), true);
	for (size_t i = 1; i < MERGE_MAX_RUNS; i++)
		EXPECT(add_packet(merge, packet, 0), true);
	EXPECT(add_packet(merge, packet, 0), false);
	EXPECT(add_packet(merge, pair.first, 0), false);
	EXPECT(add_packet(merge, pair.second, 0), true); /* its run has room */
	EXPECT(merge->count, MERGE_MAX_RUNS);
	EXPECT(merge->runs[0].packets, 2);
	merge_reset(merge, BOTH);
	EXPECT(merge->count, 0);
	EXPECT(add_packet(merge, pair.second, 0), true);
	EXPECT(merge->runs[0].packets, 1); /* and not one of a run that was reset */
	free(packet.at);
	free_pair(&pair);
	free(merge);
}

static const struct test_case cases[] = {
    CASE(last_may_be_shorter_but_not_longer),
    CASE(run_has_at_most_64_packets),
    CASE(run_has_at_most_65535_bytes),
    CASE(psh_ends_a_run),
    CASE(only_what_is_allowed_is_merged),
    CASE(packets_of_two_peers_are_not_merged),
    CASE(what_cannot_be_merged_is_not_overtaken),
    CASE(without_room_nothing_is_added),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
