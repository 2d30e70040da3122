/* Random numbers for tests that print or fix their seed. */
#ifndef TWILL_RANDOM_H
#define TWILL_RANDOM_H

#include <stdint.h>

/* SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static inline uint64_t below(uint64_t *state, uint64_t limit)
{
	return next_random(state) % limit;
}

#endif
