/* Facts about the programs of native/engine/stranger_filter.c; the kernel's opinion of them is in
 * stranger-filter-kernel-test.c. */
#include "engine/stranger_filter.h"

#include "c-test.h"
#include "classic-bpf.h"
#include "random.h"

#include <stdbool.h>

#define SEED 20240301
#define STRANGER 1000 /* a socket number that no peer can get */

struct filter {
	struct sock_filter *program;
	size_t length;
	uint32_t peer_sockets;
};

/* Writes a program into memory of exactly this room, and holds it against the kernel's rules. */
static struct filter filter_of(const uint32_t *addresses, size_t count, size_t room,
			       uint32_t peer_sockets, uint32_t stranger_socket)
{
	struct address_range *ranges = malloc(count * sizeof(*ranges));
	struct filter made = {malloc(room * sizeof(struct sock_filter)), 0, peer_sockets};

	made.length = stranger_filter_write(made.program, room, addresses, count, ranges,
					    peer_sockets, stranger_socket);
	EXPECT(made.length <= room, 1);
	expect_valid(made.program, made.length);
	free(ranges);
	return made;
}

static uint32_t socket_of(const struct filter *filter, uint32_t source, uint16_t port,
			  uint8_t header_words)
{
	return run_on_udp(filter->program, source, port, header_words);
}

static bool is_accepted(const struct filter *filter, uint32_t source)
{
	uint32_t number = socket_of(filter, source, 8285, 5);

	EXPECT(number < filter->peer_sockets || number == STRANGER, 1);
	return number != STRANGER;
}

static int compare_addresses(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

/* Up to `count` addresses below `span` after `base`, ascending, without repeats. */
static size_t random_addresses(uint32_t *out, size_t count, uint32_t base, uint64_t span,
			       uint64_t *random)
{
	size_t made = 0;

	for (size_t i = 0; i < count; i++)
		out[i] = base + (uint32_t)below(random, span);
	qsort(out, count, sizeof(*out), compare_addresses);
	for (size_t i = 0; i < count; i++) {
		if (made == 0 || out[i] != out[made - 1])
			out[made++] = out[i];
	}
	return made;
}

static bool is_in(const uint32_t *addresses, size_t count, uint32_t address)
{
	return bsearch(&address, addresses, count, sizeof(address), compare_addresses) != NULL;
}

static void no_address_makes_everybody_a_stranger(void)
{
	struct filter filter = filter_of(NULL, 0, STRANGER_FILTER_MIN_INSTRUCTIONS, 2, STRANGER);

	EXPECT(filter.length, 1);
	EXPECT(is_accepted(&filter, 0), false);
	EXPECT(is_accepted(&filter, UINT32_MAX), false);
	free(filter.program);
}

static void expect_exact(const uint32_t *addresses, size_t count, uint32_t peer_sockets,
			 uint64_t *random)
{
	struct filter filter =
	    filter_of(addresses, count, STRANGER_FILTER_MAX_INSTRUCTIONS, peer_sockets, STRANGER);

	for (size_t i = 0; i < count; i++) {
		uint32_t any = (uint32_t)next_random(random), below_it = addresses[i] - 1;

		EXPECT(is_accepted(&filter, addresses[i]), true);
		EXPECT(is_accepted(&filter, below_it), is_in(addresses, count, below_it));
		EXPECT(is_accepted(&filter, below_it + 2), is_in(addresses, count, below_it + 2));
		EXPECT(is_accepted(&filter, any), is_in(addresses, count, any));
	}
	free(filter.program);
}

static void addresses_that_fit_are_told_exactly(void)
{
	static const size_t counts[] = {1, 2, 3, 4, 100, 127, 128, 1000, 2000};
	static const uint64_t spans[] = {4000, 1 << 20, 1ull << 32};
	uint32_t addresses[2000];
	uint64_t random = SEED;

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		for (size_t j = 0; j < sizeof(spans) / sizeof(*spans); j++) {
			size_t count =
			    random_addresses(addresses, counts[i], 0xc6336400, spans[j], &random);

			expect_exact(addresses, count, 1, &random);
			expect_exact(addresses, count, 4, &random);
		}
	}
}

static void ends_of_the_address_space_are_told_exactly(void)
{
	static const uint32_t ends[] = {0, UINT32_MAX};
	uint64_t random = SEED;

	expect_exact(ends, 1, 1, &random);
	expect_exact(ends + 1, 1, 1, &random);
	expect_exact(ends, 2, 1, &random);
}

static void neighbours_cost_one_range(void)
{
	uint32_t addresses[5000];
	struct filter filter;

	for (uint32_t i = 0; i < 5000; i++)
		addresses[i] = 0x0a000000 + i;
	filter = filter_of(addresses, 5000, STRANGER_FILTER_MAX_INSTRUCTIONS, 4, STRANGER);
	EXPECT(filter.length <= STRANGER_FILTER_MIN_INSTRUCTIONS, true);
	EXPECT(is_accepted(&filter, 0x0a000000 - 1), false);
	EXPECT(is_accepted(&filter, 0x0a000000), true);
	EXPECT(is_accepted(&filter, 0x0a000000 + 4999), true);
	EXPECT(is_accepted(&filter, 0x0a000000 + 5000), false);
	free(filter.program);
}

/*
 * Too many addresses: all are accepted, nothing outside of them is, and of the gaps between
 * them only the narrowest, as few as there is room for.
 */
static void expect_narrowest_joined(const uint32_t *addresses, size_t count, size_t room,
				    uint32_t peer_sockets)
{
	struct filter filter = filter_of(addresses, count, room, peer_sockets, STRANGER);
	uint32_t widest_joined = 0, narrowest_kept = UINT32_MAX;
	size_t kept = 0;

	EXPECT(is_accepted(&filter, addresses[0] - 1), false);
	EXPECT(is_accepted(&filter, addresses[count - 1] + 1), false);
	EXPECT(is_accepted(&filter, addresses[0]), true);
	for (size_t i = 1; i < count; i++) {
		uint32_t gap = addresses[i] - addresses[i - 1];
		bool is_joined = is_accepted(&filter, addresses[i] - 1);

		EXPECT(is_accepted(&filter, addresses[i]), true);
		if (gap == 1)
			continue; /* there is nobody in between */
		EXPECT(is_accepted(&filter, addresses[i - 1] + 1), is_joined);
		EXPECT(is_accepted(&filter, addresses[i - 1] + gap / 2), is_joined);
		kept += !is_joined;
		if (is_joined && gap > widest_joined)
			widest_joined = gap;
		if (!is_joined && gap < narrowest_kept)
			narrowest_kept = gap;
	}
	EXPECT(widest_joined > 0, true); /* else this case is none */
	EXPECT(widest_joined <= narrowest_kept, true);
	EXPECT(filter.length > room - 3, true); /* a range more takes two or three */
	EXPECT(kept >= (room - STRANGER_FILTER_MIN_INSTRUCTIONS) * 100 / 205, true);
	free(filter.program);
}

static void narrowest_gaps_are_joined_when_there_is_no_room(void)
{
	static const size_t rooms[] = {STRANGER_FILTER_MIN_INSTRUCTIONS, 17, 64, 300, 1001,
				       STRANGER_FILTER_MAX_INSTRUCTIONS};
	static const uint64_t spans[] = {1 << 16, 1 << 24, UINT32_MAX - 1};
	uint32_t addresses[5000];
	uint64_t random = SEED;

	for (size_t i = 0; i < sizeof(rooms) / sizeof(*rooms); i++) {
		for (size_t j = 0; j < sizeof(spans) / sizeof(*spans); j++) {
			size_t count = random_addresses(addresses, 5000, 1, spans[j], &random);

			expect_narrowest_joined(addresses, count, rooms[i], 1);
			expect_narrowest_joined(addresses, count, rooms[i], 3);
		}
	}
}

static void gaps_of_one_width_are_joined_one_by_one(void)
{
	uint32_t addresses[5000];

	for (uint32_t i = 0; i < 5000; i++)
		addresses[i] = 0x0a000000 + 256 * i;
	expect_narrowest_joined(addresses, 5000, STRANGER_FILTER_MAX_INSTRUCTIONS, 1);
}

static void flow_keeps_its_socket_whatever_the_header_length(void)
{
	uint32_t addresses[] = {0xc0000201, 0xc0000203};
	struct filter filter = filter_of(addresses, 2, 64, 5, STRANGER);

	for (uint32_t port = 0; port < 65536; port += 17) {
		uint32_t number = socket_of(&filter, 0xc0000203, (uint16_t)port, 5);

		EXPECT(number < 5, 1);
		for (uint8_t words = 6; words <= 15; words++)
			EXPECT(socket_of(&filter, 0xc0000203, (uint16_t)port, words), number);
	}
	free(filter.program);
}

/* Each socket gets at least half of its share. */
static void expect_even(const size_t *hits, uint32_t sockets, size_t sum)
{
	for (uint32_t i = 0; i < sockets; i++)
		EXPECT(hits[i] >= sum / sockets / 2, 1);
}

static void flows_and_peers_spread_over_the_sockets(void)
{
	uint32_t addresses[256];

	for (uint32_t i = 0; i < 256; i++)
		addresses[i] = 0xc0000200 + i;
	for (uint32_t sockets = 2; sockets <= 16; sockets++) {
		struct filter filter = filter_of(addresses, 256, 64, sockets, STRANGER);
		size_t by_port[16] = {0}, by_address[16] = {0};

		for (uint16_t i = 0; i < 1024; i++)
			by_port[socket_of(&filter, 0xc0000207, (uint16_t)(49152 + i), 5)]++;
		for (size_t i = 0; i < 256; i++)
			by_address[socket_of(&filter, addresses[i], 8285, 5)]++;
		expect_even(by_port, sockets, 1024);
		expect_even(by_address, sockets, 256);
		free(filter.program);
	}
}

static const struct test_case cases[] = {
    CASE(no_address_makes_everybody_a_stranger),
    CASE(addresses_that_fit_are_told_exactly),
    CASE(ends_of_the_address_space_are_told_exactly),
    CASE(neighbours_cost_one_range),
    CASE(narrowest_gaps_are_joined_when_there_is_no_room),
    CASE(gaps_of_one_width_are_joined_one_by_one),
    CASE(flow_keeps_its_socket_whatever_the_header_length),
    CASE(flows_and_peers_spread_over_the_sockets),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
