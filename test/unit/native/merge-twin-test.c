/*
 * native/packet/merge.c against a stupid twin: many flows at once, in all the ways in which packets
 * may differ. The twin lets a packet join when cutting the result naively gives the same packets.
 */
#include "merge-checker.h"
#include "merge-scene.h"

#include "packet/candidate.h"

#define MAX_NAIVE_BYTES (2 * 65536)

/* The rules that are not about bytes. */
static bool is_plain(struct packet packet)
{
	const uint8_t *ip = packet.at, *transport = ip + ip_bytes_of(ip);

	if (ip[0] >> 4 == 4 && get16(ip + 6) & 0x3fff)
		return false;
	if (protocol_of(ip) == IPPROTO_UDP)
		return packet.bytes > header_bytes_of(ip) && get16(transport + 6) != 0;
	return packet.bytes > header_bytes_of(ip) && (transport[12] & 15) == 0 &&
	       (transport[13] & 0xa7) == 0;
}

/* The run that holds the input and all before it of the same run, as one packet. */
static struct packet naive_merge(const struct scene *scene, size_t last, size_t *count)
{
	const struct input *inputs = scene->inputs;
	size_t header = header_bytes_of(inputs[last].packet.at), flags;
	struct packet whole = {malloc(MAX_NAIVE_BYTES), 0};

	*count = 0;
	for (size_t i = 0; i <= last; i++) {
		struct packet part = inputs[i].packet;
		size_t skip = whole.bytes == 0 ? 0 : header;

		if (inputs[i].run != inputs[last].run)
			continue;
		memcpy(whole.at + whole.bytes, part.at + skip, part.bytes - skip);
		whole.bytes += part.bytes - skip;
		*count += 1;
	}
	flags = ip_bytes_of(whole.at) + 13;
	if (protocol_of(whole.at) == IPPROTO_TCP)
		whole.at[flags] |= inputs[last].packet.at[flags] & 0x08; /* PSH */
	return whole;
}

/* Whether naive cutting of the run up to `last` gives back its packets. */
static bool is_reversible(const struct scene *scene, size_t last, size_t first_bytes)
{
	size_t count, at = 0;
	struct packet whole = naive_merge(scene, last, &count);
	size_t header = header_bytes_of(whole.at);
	bool is_same =
	    count <= MERGE_MAX_PACKETS && whole.bytes <= 65535 &&
	    (whole.bytes - header + first_bytes - header - 1) / (first_bytes - header) == count;

	for (size_t i = 0; is_same && i <= last; i++) {
		struct packet part = scene->inputs[i].packet, segment;

		if (scene->inputs[i].run != scene->inputs[last].run)
			continue;
		segment = naive_segment(whole, first_bytes - header, at++);
		is_same =
		    segment.bytes == part.bytes && memcmp(segment.at, part.at, part.bytes) == 0;
		free(segment.at);
	}
	free(whole.at);
	return is_same;
}

/* Whether the newest input may join the newest run of its flow. */
static bool twin_joins(struct scene *scene, size_t index)
{
	struct input *input = &scene->inputs[index];
	const struct flow *flow = &scene->flows[input->flow];
	size_t first = 0;

	if (!flow->is_open || !is_plain(input->packet))
		return false;
	while (scene->inputs[first].run != flow->run)
		first++;
	input->run = flow->run;
	return scene->inputs[first].peer == input->peer &&
	       header_bytes_of(scene->inputs[first].packet.at) ==
		   header_bytes_of(input->packet.at) &&
	       is_reversible(scene, index, scene->inputs[first].packet.bytes);
}

static void twin_add(struct scene *scene, size_t index)
{
	struct input *input = &scene->inputs[index];
	struct flow *flow = &scene->flows[input->flow];
	const uint8_t *ip = input->packet.at;

	if (twin_joins(scene, index))
		return;
	input->run = flow->run = scene->run_count++;
	flow->is_open = is_plain(input->packet);
	if (ip[0] >> 4 == 6 || !(get16(ip + 6) & 0x3fff))
		return;
	for (size_t i = 0; i < scene->flow_count; i++) /* a fragment: whose, nobody can tell */
		if (memcmp(scene->flows[i].recipe.source, flow->recipe.source, 16) == 0 &&
		    memcmp(scene->flows[i].recipe.destination, flow->recipe.destination, 16) == 0)
			scene->flows[i].is_open = false;
}

static size_t place_of(const struct flow *flow)
{
	uint64_t seed = 0;
	struct packet packet = make_packet(&flow->recipe, &seed);
	struct inner inner;
	size_t place;

	EXPECT(inner_parse(&inner, packet.at, packet.bytes), INNER_FAULT_NONE);
	struct candidate candidate = candidate_read(BOTH, packet.at, &inner);
	place = candidate_flow_hash(&candidate) % (2 * MERGE_MAX_RUNS);
	free(packet.at);
	return place;
}

/* Where two flows share a place in the table of newest runs, less is merged than the twin says. */
static bool have_own_places(const struct scene *scene)
{
	bool taken[2 * MERGE_MAX_RUNS] = {false};

	for (size_t i = 0; i < scene->flow_count; i++) {
		size_t place = place_of(&scene->flows[i]);

		if (taken[place])
			return false;
		taken[place] = true;
	}
	return true;
}

static void start_twin(struct scene *scene)
{
	scene->run_count = 0;
	for (size_t i = 0; i < scene->flow_count; i++)
		scene->flows[i].is_open = false;
	for (size_t i = 0; i < scene->input_count; i++)
		scene->inputs[i].run = SIZE_MAX;
}

static const struct input *input_of(const struct scene *scene, const void *packet)
{
	for (size_t i = 0; i < scene->input_count; i++)
		if (scene->inputs[i].packet.at == packet)
			return &scene->inputs[i];
	EXPECT(true, false);
	return NULL;
}

/* Checks the runs; `next` is per flow the first input that may come now. Returns the packets. */
static size_t expect_runs(const struct scene *scene, struct merge *merge, bool like_twin,
			  const struct input *next[NO_FLOW + 1])
{
	size_t packets = 0;

	merge_finish(merge);
	for (size_t i = 0; i < merge->count; i++) {
		const struct merge_run *run = &merge->runs[i];

		expect_run(run);
		for (size_t k = 0; k < run->packets; k++, packets++) {
			const struct input *input = input_of(scene, run->originals[k].iov_base);

			EXPECT(input->packet.bytes, run->originals[k].iov_len);
			EXPECT(input->peer, run->peer);
			EXPECT(input >= next[input->flow], 1);
			next[input->flow] = input->flow == NO_FLOW ? NULL : input + 1;
			if (like_twin)
				EXPECT(input->run, i);
		}
	}
	if (like_twin)
		EXPECT(merge->count, scene->run_count);
	return packets;
}

/* Sends all inputs through; returns how many runs came of them. */
static size_t play(struct scene *scene, bool like_twin)
{
	struct merge *merge = new_merge();
	const struct input *next[NO_FLOW + 1] = {NULL};
	size_t runs = 0, packets = 0;

	start_twin(scene);
	for (size_t i = 0; i < scene->input_count; i++) {
		const struct input *input = &scene->inputs[i];

		if (!add_packet(merge, input->packet, input->peer)) {
			EXPECT(merge->count, MERGE_MAX_RUNS);
			packets += expect_runs(scene, merge, like_twin, next);
			runs += merge->count;
			merge_reset(merge, BOTH);
			start_twin(scene);
			EXPECT(add_packet(merge, input->packet, input->peer), true);
		}
		if (like_twin)
			twin_add(scene, i);
	}
	packets += expect_runs(scene, merge, like_twin, next);
	EXPECT(packets, scene->input_count);
	runs += merge->count;
	free(merge);
	return runs;
}

static void runs_are_those_of_the_naive_twin(void)
{
	static struct scene scene;
	size_t runs = 0, packets = 0;

	for (uint64_t round = 0; round < 100; round++) {
		uint64_t seed = round;

		make_scene(&scene, &seed, 1 + below(&seed, 8), MAX_INPUTS);
		for (; !have_own_places(&scene);
		     free_scene(&scene), make_scene(&scene, &seed, 3, MAX_INPUTS))
			continue;
		runs += play(&scene, true);
		packets += scene.input_count;
		free_scene(&scene);
	}
	EXPECT(packets > 3 * runs, 1); /* it does merge */
}

static void flows_that_share_a_place_keep_their_order(void)
{
	static struct scene scene;
	size_t runs = 0, packets = 0;

	for (uint64_t round = 0; round < 300; round++) {
		uint64_t seed = 1000 + round;

		make_scene(&scene, &seed, MAX_FLOWS, MAX_INPUTS);
		runs += play(&scene, false);
		packets += scene.input_count;
		free_scene(&scene);
	}
	EXPECT(2 * packets > 3 * runs, 1);
}

static bool is_of_flow(struct packet packet, const struct recipe *recipe)
{
	size_t address_bytes = recipe->version == 4 ? 4 : 16, at = recipe->version == 4 ? 12 : 8;
	size_t ip = ip_bytes_of(packet.at);

	return packet.at[0] >> 4 == recipe->version && protocol_of(packet.at) == recipe->protocol &&
	       memcmp(packet.at + at, recipe->source, address_bytes) == 0 &&
	       memcmp(packet.at + at + address_bytes, recipe->destination, address_bytes) == 0 &&
	       packet.bytes >= ip + 4 && get16(packet.at + ip) == recipe->ports[0] &&
	       get16(packet.at + ip + 2) == recipe->ports[1];
}

/* Bytes changed anywhere: what is still a packet to inner_parse() is carried, and unchanged. */
static void nonsense_is_carried_as_it_is(void)
{
	static struct scene scene;

	for (uint64_t round = 0; round < 200; round++) {
		uint64_t seed = 2000 + round;
		size_t kept = 0;

		make_scene(&scene, &seed, 4, MAX_INPUTS);
		for (size_t i = 0; i < scene.input_count; i++) {
			struct packet packet = scene.inputs[i].packet;
			struct inner inner;

			for (size_t n = below(&seed, 3) ? 0 : below(&seed, 4); n > 0; n--)
				packet.at[below(&seed, packet.bytes)] = (uint8_t)next_random(&seed);
			if (packet.at[0] >> 4 == 4 && ip_bytes_of(packet.at) <= packet.bytes)
				naive_finish_ipv4(packet.at);
			/* Padding, which the engine leaves out, is not what this is about. */
			if (inner_parse(&inner, packet.at, packet.bytes) != INNER_FAULT_NONE ||
			    inner.total_bytes != packet.bytes) {
				free(packet.at);
				continue;
			}
			scene.inputs[kept] = scene.inputs[i];
			if (!is_of_flow(packet, &scene.flows[scene.inputs[i].flow].recipe))
				scene.inputs[kept].flow = NO_FLOW;
			kept++;
		}
		scene.input_count = kept;
		play(&scene, false);
		free_scene(&scene);
	}
}

static const struct test_case cases[] = {
    CASE(runs_are_those_of_the_naive_twin),
    CASE(flows_that_share_a_place_keep_their_order),
    CASE(nonsense_is_carried_as_it_is),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
