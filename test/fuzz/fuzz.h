/*
 * What the fuzz targets share. A target reads its settings from the first bytes of the input and
 * takes the rest for packets; scripts/fuzz builds and runs it. Each checks properties against a
 * slow twin, not only that nothing crashes.
 */
#ifndef TWILL_FUZZ_H
#define TWILL_FUZZ_H

#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * For the busiest functions of a slow twin. Inputs are chosen by the way they take, through native/
 * and the twins; a loop of the latter that is passed through all the time would tell nothing new.
 * Inlined into a function that is traced, it would be traced as well.
 */
#define NOT_TRACED __attribute__((no_sanitize("coverage"), noinline))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Something is broken: libFuzzer keeps the input that showed it. */
_Noreturn static inline void broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
	abort();
}

#define BROKEN(what) broken(__FILE__, __LINE__, what)

/* A property that holds for every input. */
#define MUST(property) ((property) ? (void)0 : BROKEN(#property))

/* What is left of an input. Reading past its end gives zeros. */
struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t take_u8(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

static inline uint16_t take_u16(struct input *input)
{
	uint8_t high = take_u8(input);

	return (uint16_t)(high << 8 | take_u8(input));
}

/*
 * Memory in which pieces lie apart, with poison behind every one: the address sanitizer sees the
 * first byte read or written past a piece. Much faster than malloc(), which it keeps books about.
 */
struct arena {
	_Alignas(8) uint8_t bytes[1 << 21];
	size_t used;
};

#define ARENA_GAP_BYTES 16 /* and what is left to a multiple of 8: the poison's grain */

static inline void arena_reset(struct arena *arena)
{
	arena->used = 0;
	ASAN_POISON_MEMORY_REGION(arena->bytes, ARENA_GAP_BYTES);
}

static inline uint8_t *arena_take(struct arena *arena, size_t bytes)
{
	size_t begin = arena->used + ARENA_GAP_BYTES, end = (begin + bytes + 7) / 8 * 8;

	MUST(end + ARENA_GAP_BYTES <= sizeof(arena->bytes));
	ASAN_UNPOISON_MEMORY_REGION(arena->bytes + begin, bytes);
	ASAN_POISON_MEMORY_REGION(arena->bytes + begin + bytes,
				  end + ARENA_GAP_BYTES - begin - bytes);
	arena->used = end;
	return arena->bytes + begin;
}

static inline uint8_t *arena_copy(struct arena *arena, const void *from, size_t bytes)
{
	uint8_t *to = arena_take(arena, bytes);

	if (bytes > 0)
		memcpy(to, from, bytes);
	return to;
}

/* FNV-1a: for choices that should be rare, and the same for the same input. */
NOT_TRACED static inline uint32_t hash_of(const uint8_t *data, size_t bytes)
{
	uint32_t hash = 0x811c9dc5;

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ data[i]) * 0x01000193;
	return hash ^ hash >> 15;
}

#endif
