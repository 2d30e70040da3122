/* Facts about native/engine/fwd_table.c. */
#include "engine/fwd_table.h"

#include "c-test.h"
#include "fwd-entries.h"
#include "random.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#define SEED 20240229

static void empty_table_knows_nobody(void)
{
	struct fwd_table *table = create(NULL, 0, NULL);

	EXPECT(fwd_table_count(table), 0);
	EXPECT(peer_of(table, to(0)), FWD_NO_PEER);
	EXPECT(peer_of(table, to(UINT32_MAX)), FWD_NO_PEER);
	EXPECT(peer_of(table, to6((struct ip6){0, 0})), FWD_NO_PEER);
	EXPECT(fwd_peer_of_underlay(table, 0), FWD_NO_PEER);
	fwd_table_free(table);
	fwd_table_free(NULL);
}

static void peers_are_in_the_order_of_their_subnets(void)
{
	struct fwd_entry entries[] = {
	    entry(0x0af40700, 0x0af407ff, 0xc0000202),
	    entry(0x0af40100, 0x0af401ff, 0xc0000203),
	};
	struct fwd_table *table;
	const struct fwd_peer *peer;

	memcpy(entries[1].vtep_mac, "\x02\x00\x00\x0a\x0b\x0c", 6);
	table = create(entries, 2, NULL);
	EXPECT(fwd_table_count(table), 2);
	EXPECT(fwd_table_peer(table, 1)->first, 0x0af40700);
	peer = fwd_table_peer(table, 0);
	EXPECT(peer->first, 0x0af40100);
	EXPECT(peer->last, 0x0af401ff);
	EXPECT(peer->underlay, 0xc0000203);
	EXPECT(peer->has_ipv6, false);
	EXPECT(memcmp(peer->vtep_mac, "\x02\x00\x00\x0a\x0b\x0c", 6), 0);
	EXPECT(peer->address.sin_family, AF_INET);
	EXPECT(ntohs(peer->address.sin_port), PEER_PORT);
	EXPECT(ntohl(peer->address.sin_addr.s_addr), 0xc0000203);
	fwd_table_free(table);
}

static void broadcast_address_is_a_source_but_no_host(void)
{
	struct ip6 first = {0x20010db800070000, 0}, last = {0x20010db800070000, UINT64_MAX};
	struct fwd_entry entries[] = {
	    entry(0x0af40100, 0x0af401ff, 0xc0000201),
	    entry6(0x0af40200, first, last),
	};
	struct fwd_table *table = create(entries, 2, NULL);
	struct inner inner = {.version = 4, .source = 0x0af401ff};

	EXPECT(fwd_is_source_of(table, 0, &inner), true);
	EXPECT(fwd_is_host_of(table, 0, &inner), false);
	inner.source = 0x0af401fe;
	EXPECT(fwd_is_host_of(table, 0, &inner), true);
	inner.source = 0x0af40200;
	EXPECT(fwd_is_source_of(table, 0, &inner), false);
	EXPECT(fwd_is_host_of(table, 0, &inner), false);
	inner = (struct inner){.version = 6, .source = 0x0af40200, .source6 = last};
	EXPECT(fwd_is_host_of(table, 1, &inner), true); /* IPv6 has no broadcast */
	inner.source6 = (struct ip6){0, 0};		/* as the unset range of a peer without */
	EXPECT(fwd_is_source_of(table, 0, &inner), false);
	fwd_table_free(table);
}

static void create_refuses_what_no_table_can_hold(void)
{
	struct fwd_entry twice[] = {entry(1, 1, 7), entry(2, 2, 7)};
	struct fwd_entry backwards = entry(2, 1, 7);
	struct fwd_entry backwards6 = entry6(1, (struct ip6){1, 0}, (struct ip6){0, UINT64_MAX});
	struct fwd_table *table = NULL;

	EXPECT(try_create(twice, 2, NULL, &table), -EINVAL);
	EXPECT(try_create(&backwards, 1, NULL, &table), -EINVAL);
	EXPECT(try_create(&backwards6, 1, NULL, &table), -EINVAL);
	EXPECT(try_create(NULL, (size_t)1 << 32, NULL, &table), -ENOMEM);
	EXPECT(table == NULL, true);
}

/* The stupid twin: two subnets share an address, or a node has two. */
static bool is_conflict(const struct fwd_entry *a, const struct fwd_entry *b)
{
	return (a->first <= b->last && b->first <= a->last) || a->underlay == b->underlay ||
	       (a->has_ipv6 && b->has_ipv6 && memcmp(a->first6, b->last6, 16) <= 0 &&
		memcmp(b->first6, a->last6, 16) <= 0);
}

static bool is_any_conflict(const struct fwd_entry *entries, size_t count)
{
	bool is_any = false;

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++)
			is_any = is_any || is_conflict(&entries[i], &entries[j]);
	}
	return is_any;
}

/* 64 bits that are near a border half of the time, so that both words of an address matter. */
static struct ip6 random_ip6(uint64_t *random)
{
	uint64_t low = below(random, 40);

	return (struct ip6){below(random, 3), low < 20 ? low : low - 40};
}

static struct fwd_entry random_entry(uint64_t *random)
{
	uint32_t first = (uint32_t)below(random, 60);
	struct fwd_entry made =
	    entry(first, first + (uint32_t)below(random, 8), (uint32_t)below(random, 200));

	if (below(random, 2) == 1) {
		struct ip6 a = random_ip6(random), b = a;

		b.low += below(random, 4);
		b.high += b.low < a.low;
		made.has_ipv6 = 1;
		write_ip6(made.first6, a);
		write_ip6(made.last6, b);
	}
	return made;
}

static void create_refuses_exactly_the_conflicts(void)
{
	struct fwd_entry entries[6];
	uint64_t random = SEED;
	size_t refused = 0, rounds = 50000;

	for (size_t round = 0; round < rounds; round++) {
		size_t count = 1 + below(&random, 6);
		struct fwd_table *table = NULL;
		bool conflict;

		for (size_t i = 0; i < count; i++)
			entries[i] = random_entry(&random);
		conflict = is_any_conflict(entries, count);
		refused += conflict;
		EXPECT(try_create(entries, count, NULL, &table), conflict ? -EINVAL : 0);
		fwd_table_free(table);
	}
	EXPECT(refused > rounds / 4 && refused < rounds * 3 / 4, true);
}

static void expect_peer(const struct fwd_table *table, uint32_t peer, const struct fwd_entry *owner)
{
	EXPECT(peer != FWD_NO_PEER, owner != NULL);
	if (owner != NULL)
		EXPECT(fwd_table_peer(table, peer)->first, owner->first);
}

/* Compares what is said of one IPv4 and one IPv6 address with a linear scan over the entries. */
static void expect_as_scanned(const struct fwd_table *table, const struct fwd_entry *entries,
			      size_t count, uint32_t address, struct ip6 address6)
{
	const struct fwd_entry *owner = NULL, *owner6 = NULL, *node = NULL;
	struct inner from = {.version = 4, .source = address};
	struct inner from6 = {.version = 6, .source6 = address6};
	uint8_t bytes[16];

	write_ip6(bytes, address6);
	for (const struct fwd_entry *e = entries; e < entries + count; e++) {
		bool is_in = address >= e->first && address <= e->last;
		bool is_in6 = e->has_ipv6 && memcmp(bytes, e->first6, 16) >= 0 &&
			      memcmp(bytes, e->last6, 16) <= 0;
		uint32_t peer = fwd_peer_of_underlay(table, e->underlay);

		EXPECT(fwd_is_source_of(table, peer, &from), is_in);
		EXPECT(fwd_is_source_of(table, peer, &from6), is_in6);
		owner = is_in ? e : owner;
		owner6 = is_in6 ? e : owner6;
		node = e->underlay == address ? e : node;
	}
	expect_peer(table, peer_of(table, to(address)), owner);
	expect_peer(table, peer_of(table, to6(address6)), owner6);
	expect_peer(table, fwd_peer_of_underlay(table, address), node);
}

/* Adds random entries until there are `count` without a conflict. */
static void fill_without_conflict(struct fwd_entry *entries, size_t count, uint64_t *random)
{
	for (size_t filled = 0; filled < count;) {
		size_t i = 0;

		entries[filled] = random_entry(random);
		while (i < filled && !is_conflict(&entries[i], &entries[filled]))
			i++;
		filled += i == filled;
	}
}

static void lookups_agree_with_a_linear_scan(void)
{
	struct fwd_entry entries[8];
	uint64_t random = SEED;

	for (int round = 0; round < 2000; round++) {
		size_t count = below(&random, 9);
		struct fwd_table *table;

		fill_without_conflict(entries, count, &random);
		table = create(entries, count, NULL);
		for (uint32_t address = 0; address < 200; address++)
			expect_as_scanned(table, entries, count, address, random_ip6(&random));
		expect_as_scanned(table, entries, count, UINT32_MAX,
				  (struct ip6){UINT64_MAX, UINT64_MAX});
		fwd_table_free(table);
	}
}

static void last_addresses_of_the_space_are_found(void)
{
	struct ip6 top = {UINT64_MAX, UINT64_MAX}, below_top = {UINT64_MAX, UINT64_MAX - 1};
	struct fwd_entry whole = entry(0, UINT32_MAX, UINT32_MAX);
	struct fwd_table *table;

	whole.has_ipv6 = 1;
	write_ip6(whole.first6, below_top);
	write_ip6(whole.last6, top);
	table = create(&whole, 1, NULL);
	EXPECT(peer_of(table, to(0)), 0);
	EXPECT(peer_of(table, to(UINT32_MAX)), 0);
	EXPECT(peer_of(table, to6(top)), 0);
	EXPECT(peer_of(table, to6((struct ip6){UINT64_MAX, UINT64_MAX - 2})), FWD_NO_PEER);
	EXPECT(fwd_peer_of_underlay(table, UINT32_MAX), 0);
	fwd_table_free(table);
}

static struct fwd_peer_state *state_of(const struct fwd_table *table, uint32_t underlay)
{
	return fwd_table_peer(table, fwd_peer_of_underlay(table, underlay))->state;
}

static void state_stays_with_subnet_and_underlay(void)
{
	struct fwd_entry old[] = {entry(10, 19, 1), entry(20, 29, 2), entry(30, 39, 3)};
	struct fwd_entry new[] = {entry(40, 49, 3), entry(20, 28, 2), entry(10, 19, 1)};
	struct fwd_table *first = create(old, 3, NULL), *second;
	struct fwd_peer_state *state = state_of(first, 1);

	EXPECT((uintptr_t)state % 64, 0);
	EXPECT((uintptr_t)&state->threads[1] % 64, 0);
	EXPECT(atomic_load(&state->single_until_ms), 0);
	EXPECT(atomic_load(&state->threads[THREADS - 1].decap_dropped), 0);
	atomic_store(&state->threads[THREADS - 1].decap_dropped, 5);
	second = create(new, 3, first);
	EXPECT(state_of(second, 1) == state, true);
	EXPECT(state_of(second, 2) != state_of(first, 2), true); /* another subnet */
	EXPECT(state_of(second, 3) != state_of(first, 3), true);
	fwd_table_free(first);
	EXPECT(atomic_load(&state->threads[THREADS - 1].decap_dropped), 5);
	first = create(old, 3, second);
	fwd_table_free(second);
	EXPECT(state_of(first, 1) == state, true);
	fwd_table_free(first);
}

static void failed_create_leaves_the_previous_table_alone(void)
{
	struct fwd_entry good[] = {entry(10, 19, 1), entry(20, 29, 2)};
	struct fwd_entry bad[] = {entry(10, 19, 1), entry(20, 29, 1)};
	struct fwd_table *table = create(good, 2, NULL), *none = NULL;

	EXPECT(try_create(bad, 2, table, &none), -EINVAL);
	EXPECT(state_of(table, 1)->references, 1);
	fwd_table_free(table); /* the leak check at exit sees a state too many */
}

/* CPU time, so that a busy machine does not matter. */
static long cpu_ms(void)
{
	return (long)(clock() * 1000 / CLOCKS_PER_SEC);
}

/* A table of 100,000 peers whose underlay addresses lie in rows, `stride` apart. */
static void expect_quick(uint32_t row, uint32_t stride, uint32_t row_stride)
{
	uint32_t count = 100000;
	struct fwd_entry *entries = calloc(count, sizeof(*entries));
	long start = cpu_ms();
	struct fwd_table *table, *again;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t subnet = i * 7919u % count, v6 = i * 31337u % count; /* any order */
		uint32_t underlay = i / row * row_stride + i % row * stride;

		entries[i] = entry6(0, (struct ip6){v6, 0}, (struct ip6){v6, UINT64_MAX});
		entries[i].first = subnet * 256;
		entries[i].last = subnet * 256 + 255;
		entries[i].underlay = underlay;
	}
	table = create(entries, count, NULL);
	again = create(entries, count, table);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t peer = fwd_peer_of_underlay(again, entries[i].underlay);

		EXPECT(peer_of(again, to(entries[i].first + 1)), peer);
		EXPECT(peer_of(again, to6(read_ip6(entries[i].last6))), peer);
	}
	EXPECT(cpu_ms() - start < 3000, true); /* 10^10 steps were it not for the indices */
	fwd_table_free(table);
	fwd_table_free(again);
	free(entries);
}

static void hundred_thousand_peers_are_quick(void)
{
	expect_quick(100000, 1, 0);	      /* one after the other */
	expect_quick(65536, 1u << 16, 1);     /* x.y.0.0 */
	expect_quick(256, 256, 1u << 16);     /* x.y.z.0 */
	expect_quick(16, 1u << 28, 1u << 10); /* far apart */
	expect_quick(250, 1u << 24, 0x0a11);  /* neither in step */
}

static const struct test_case cases[] = {
    CASE(empty_table_knows_nobody),
    CASE(peers_are_in_the_order_of_their_subnets),
    CASE(broadcast_address_is_a_source_but_no_host),
    CASE(create_refuses_what_no_table_can_hold),
    CASE(create_refuses_exactly_the_conflicts),
    CASE(lookups_agree_with_a_linear_scan),
    CASE(last_addresses_of_the_space_are_found),
    CASE(state_stays_with_subnet_and_underlay),
    CASE(failed_create_leaves_the_previous_table_alone),
    CASE(hundred_thousand_peers_are_quick),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
