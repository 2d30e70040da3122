/* Packets of many flows, one after the other, in all the ways in which neighbours may differ. */
#ifndef TWILL_MERGE_SCENE_H
#define TWILL_MERGE_SCENE_H

#include "packet-maker.h"

#define MAX_INPUTS 400
#define MAX_FLOWS 40
#define NO_FLOW MAX_FLOWS /* of a packet whose order nobody minds */

struct input {
	struct packet packet;
	uint32_t peer;
	size_t flow;
	size_t run; /* the twin's answer */
};

struct flow {
	struct recipe recipe;
	uint32_t peer;
	bool is_open; /* the twin's: its newest run takes more */
	size_t run;
};

struct scene {
	struct flow flows[MAX_FLOWS];
	struct input inputs[MAX_INPUTS];
	size_t flow_count, input_count, run_count;
};

/* What the sender changes before the next packet; mostly nothing. */
static inline void vary(struct flow *flow, uint64_t *seed)
{
	struct recipe *recipe = &flow->recipe;
	uint32_t *numbers[] = {&recipe->ack, &recipe->sequence, &recipe->flow_label};
	uint8_t *bytes[] = {&recipe->traffic_class, &recipe->ip_ttl, &recipe->option_byte};

	switch (below(seed, 120)) {
	case 0:
		*numbers[below(seed, 3)] ^= 1u << below(seed, 20);
		break;
	case 1:
		*bytes[below(seed, 3)] ^= (uint8_t)(1 + below(seed, 126));
		break;
	case 2:
		recipe->id++;
		break;
	case 3:
		recipe->window ^= (uint16_t)(1 + below(seed, 255));
		break;
	case 4:
		recipe->tcp_option_words = below(seed, 11);
		break;
	case 5:
		recipe->ip_option_words = below(seed, 2);
		break;
	case 6:
		flow->peer ^= 1;
		break;
	case 7:
		recipe->payload_bytes = below(seed, 200);
		break;
	case 8:
		recipe->fragment ^= 0x4000;
		break;
	case 9:
		recipe->flags ^= 0x40; /* ECE */
		break;
	case 10:
		recipe->urgent ^= 1;
		break;
	}
	if (recipe->ip_ttl == 0)
		recipe->ip_ttl = 1;
}

/* What only one packet has. */
static inline struct recipe once(const struct recipe *usual, uint64_t *seed)
{
	struct recipe recipe = *usual;

	switch (below(seed, 60)) {
	case 0:
		recipe.flags ^= (uint8_t)(1u << below(seed, 8));
		break;
	case 1:
		recipe.reserved = (uint8_t)below(seed, 16);
		break;
	case 2:
		recipe.fragment |= (uint16_t)(below(seed, 2) ? 0x2000 : below(seed, 100));
		break;
	case 3:
	case 4:
		recipe.payload_bytes = below(seed, recipe.payload_bytes + 1);
		break;
	case 5:
		recipe.flags |= 0x08; /* PSH */
		break;
	}
	return recipe;
}

/* Damage that an IPv4 header checksum does not see. */
static inline void damage(struct packet packet, uint64_t *seed)
{
	size_t ip = ip_bytes_of(packet.at);
	bool is_udp = protocol_of(packet.at) == IPPROTO_UDP;

	switch (below(seed, 60)) {
	case 0:
		put16(packet.at + checksum_at(packet.at), 0);
		break;
	case 1: /* a UDP length is not changed here: the twin reads no header that is none */
		packet.at[ip + (is_udp ? 6 : 16)] ^= 1;
		break;
	case 2:
		packet.at[packet.bytes - 1] ^= (uint8_t)(packet.bytes > header_bytes_of(packet.at));
		break;
	}
}

static inline void make_input(struct scene *scene, uint64_t *seed)
{
	struct input *input = &scene->inputs[scene->input_count++];
	struct flow *flow;
	struct recipe recipe;

	/* Often the same as before, as on the wire. */
	input->flow = below(seed, 3) && input > scene->inputs ? input[-1].flow
							      : below(seed, scene->flow_count);
	flow = &scene->flows[input->flow];
	vary(flow, seed);
	recipe = once(&flow->recipe, seed);
	input->packet = make_packet(&recipe, seed);
	input->peer = flow->peer;
	damage(input->packet, seed);
	flow->recipe.sequence += (uint32_t)recipe.payload_bytes;
	flow->recipe.id++;
}

/* A flow of its own; sometimes between the addresses of another. */
static inline void make_flow(struct scene *scene, uint64_t *seed)
{
	struct flow *flow = &scene->flows[scene->flow_count];
	struct recipe recipe = random_recipe(seed, 1 + below(seed, 150));
	const struct recipe *other = &scene->flows[below(seed, scene->flow_count + 1)].recipe;

	if (below(seed, 3) == 0 && other->version == recipe.version) {
		memcpy(recipe.source, other->source, 16);
		memcpy(recipe.destination, other->destination, 16);
	}
	if (below(seed, 20) == 0)
		recipe.payload_bytes = 500 + below(seed, 8000);
	*flow = (struct flow){.recipe = recipe, .peer = (uint32_t)below(seed, 3)};
	scene->flow_count++;
}

static inline void make_scene(struct scene *scene, uint64_t *seed, size_t flows, size_t inputs)
{
	memset(scene, 0, sizeof(*scene));
	while (scene->flow_count < flows)
		make_flow(scene, seed);
	while (scene->input_count < inputs)
		make_input(scene, seed);
}

static inline void free_scene(struct scene *scene)
{
	for (size_t i = 0; i < scene->input_count; i++)
		free(scene->inputs[i].packet.at);
}

#endif
