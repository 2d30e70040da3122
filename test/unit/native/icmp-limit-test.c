/* Facts about how many errors native/packet/icmp_error.c allows. */
#include "packet/icmp_error.h"

#include "c-test.h"
#include "inner-packets.h"
#include "random.h"

#define SEED 371
#define RANDOM_ERRORS 200000
#define SENDER_US 100000 /* one error more, to one sender */
#define TOTAL_US 10000	 /* and in all */
#define NOW_US 5000000000u

/*
 * Token buckets as one would draw them: levels that rise with time up to the brim. They count in
 * us, so that nothing is rounded.
 */
struct buckets {
	uint64_t sender_us[ICMP_LIMIT_SLOTS], total_us, last_us;
};

static struct inner from(uint32_t source)
{
	return (struct inner){.version = 4, .source = source};
}

static struct inner from6(uint64_t high, uint64_t low)
{
	return (struct inner){.version = 6, .source6 = {high, low}};
}

static bool allow(struct icmp_limit *limit, struct inner inner, uint64_t now_us)
{
	return icmp_limit_allow(limit, &inner, now_us);
}

static void allows_ten_at_once_and_then_one_each_100_ms(void)
{
	struct icmp_limit *limit = calloc(1, sizeof(*limit));

	for (int i = 0; i < 10; i++)
		EXPECT(allow(limit, from(OWN_POD), NOW_US), true);
	EXPECT(allow(limit, from(OWN_POD), NOW_US), false);
	EXPECT(allow(limit, from(OWN_POD), NOW_US + SENDER_US - 1), false);
	EXPECT(allow(limit, from(OWN_POD), NOW_US + SENDER_US), true);
	EXPECT(allow(limit, from(OWN_POD), NOW_US + SENDER_US), false);
	for (int i = 0; i < 10; i++) /* 1 s later all ten are there again, and no more */
		EXPECT(allow(limit, from(OWN_POD), NOW_US + 11 * SENDER_US), true);
	EXPECT(allow(limit, from(OWN_POD), NOW_US + 11 * SENDER_US), false);
	free(limit);
}

static void allows_a_hundred_at_once_in_all_and_then_one_each_10_ms(void)
{
	struct icmp_limit *limit = calloc(1, sizeof(*limit));

	for (uint32_t i = 0; i < 100; i++)
		EXPECT(allow(limit, from(OWN_POD + i), NOW_US), true);
	EXPECT(allow(limit, from(OWN_POD + 100), NOW_US), false);
	EXPECT(allow(limit, from(OWN_POD + 100), NOW_US + TOTAL_US - 1), false);
	EXPECT(allow(limit, from(OWN_POD + 100), NOW_US + TOTAL_US), true);
	EXPECT(allow(limit, from(OWN_POD + 100), NOW_US + TOTAL_US), false);
	free(limit);
}

static void refusal_costs_nothing(void)
{
	struct icmp_limit *limit = calloc(1, sizeof(*limit));

	for (int i = 0; i < 1000; i++)
		EXPECT(allow(limit, from(OWN_POD), NOW_US), i < 10);
	for (uint32_t i = 1; i <= 90; i++)
		EXPECT(allow(limit, from(OWN_POD + i), NOW_US), true);
	for (uint32_t i = 91; i <= 1000; i++)
		EXPECT(allow(limit, from(OWN_POD + i), NOW_US), false);
	EXPECT(allow(limit, from(OWN_POD + 91), NOW_US + TOTAL_US), true);
	free(limit);
}

static void is_fresh_at_any_time(void)
{
	static const uint64_t times[] = {0, 1, SENDER_US, NOW_US, UINT64_MAX / 2};

	for (size_t i = 0; i < LENGTH(times); i++) {
		struct icmp_limit *limit = calloc(1, sizeof(*limit));

		for (int n = 0; n < 11; n++)
			EXPECT(allow(limit, from(OWN_POD), times[i]), n < 10);
		free(limit);
	}
}

/* Whether the second sender pays for what the first one got. */
static bool share_a_slot(struct inner first, struct inner second)
{
	struct icmp_limit *limit = calloc(1, sizeof(*limit));
	bool is_allowed;

	for (int i = 0; i < 10; i++)
		EXPECT(allow(limit, first, NOW_US), true);
	is_allowed = allow(limit, second, NOW_US);
	free(limit);
	return !is_allowed;
}

static void senders_share_a_slot_when_the_low_10_bits_are_equal(void)
{
	EXPECT(share_a_slot(from(OWN_POD), from(OWN_POD)), true);
	EXPECT(share_a_slot(from(OWN_POD), from(OWN_POD ^ 1 << 10)), true);
	EXPECT(share_a_slot(from(OWN_POD), from(OWN_POD ^ 1u << 31)), true);
	for (int bit = 0; bit < 10; bit++)
		EXPECT(share_a_slot(from(OWN_POD), from(OWN_POD ^ 1u << bit)), false);
	EXPECT(share_a_slot(from6(POD_NET6, 5), from6(PEER_NET6, 5 + (1u << 10))), true);
	EXPECT(share_a_slot(from6(POD_NET6, 5), from6(POD_NET6, 5 + (1ull << 63))), true);
	for (int bit = 0; bit < 10; bit++)
		EXPECT(share_a_slot(from6(POD_NET6, 5), from6(POD_NET6, 5 ^ 1u << bit)), false);
	EXPECT(share_a_slot(from(0x0af40005), from6(POD_NET6, 5)), true);
}

static void fill(uint64_t *level_us, uint64_t by_us, uint64_t brim_us)
{
	*level_us = *level_us + by_us > brim_us ? brim_us : *level_us + by_us;
}

static bool twin_allow(struct buckets *buckets, uint32_t sender, uint64_t now_us)
{
	uint64_t *level_us = &buckets->sender_us[sender % ICMP_LIMIT_SLOTS];

	for (size_t i = 0; i < ICMP_LIMIT_SLOTS; i++)
		fill(&buckets->sender_us[i], now_us - buckets->last_us, 10 * SENDER_US);
	fill(&buckets->total_us, now_us - buckets->last_us, 100 * TOTAL_US);
	buckets->last_us = now_us;
	if (*level_us < SENDER_US || buckets->total_us < TOTAL_US)
		return false;
	*level_us -= SENDER_US;
	buckets->total_us -= TOTAL_US;
	return true;
}

static void agrees_with_token_buckets_about_random_errors(void)
{
	struct icmp_limit *limit = calloc(1, sizeof(*limit));
	struct buckets *buckets = calloc(1, sizeof(*buckets));
	uint64_t random = SEED, now_us = NOW_US;
	size_t allowed = 0;

	for (size_t i = 0; i < RANDOM_ERRORS; i++) {
		/* Few senders, so that both limits are met; bursts, steps, and now and then rest.
		 */
		uint32_t sender = OWN_POD + (uint32_t)below(&random, 4u << i / 5000 % 6);
		bool is_allowed;

		now_us += below(&random, 3) == 0 ? below(&random, 2 * TOTAL_US) : 0;
		now_us += below(&random, 1000) == 0 ? below(&random, 12 * SENDER_US) : 0;
		is_allowed = allow(limit, from(sender), now_us);
		EXPECT(is_allowed, twin_allow(buckets, sender, now_us));
		allowed += is_allowed;
	}
	EXPECT(allowed > RANDOM_ERRORS / 20, true);
	EXPECT(allowed < RANDOM_ERRORS / 2, true);
	free(buckets);
	free(limit);
}

static const struct test_case cases[] = {
    CASE(allows_ten_at_once_and_then_one_each_100_ms),
    CASE(allows_a_hundred_at_once_in_all_and_then_one_each_10_ms),
    CASE(refusal_costs_nothing),
    CASE(is_fresh_at_any_time),
    CASE(senders_share_a_slot_when_the_low_10_bits_are_equal),
    CASE(agrees_with_token_buckets_about_random_errors),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
