#include "packet/checksum.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "packet/inner.h"

#define LANES 4 /* 64-bit numbers in a vector */
#define VECTOR_BYTES (LANES * sizeof(uint64_t))
#define BLOCK_BYTES (2 * VECTOR_BYTES)

/* Compilers make this of whatever vectors the machine has. */
typedef uint64_t lanes __attribute__((vector_size(VECTOR_BYTES)));

/* One's complement addition does not mind how wide the words are (RFC 1071 section 2 B). */
static inline uint64_t add_with_carry(uint64_t sum, uint64_t value)
{
	sum += value;
	return sum + (sum < value);
}

static inline uint64_t fold_to_32(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (sum & UINT32_MAX) + (sum >> 32);
}

/*
 * The sum of `blocks` blocks. Per lane `total` is the sum modulo 2^64 and `high` that of the upper
 * halves, which cannot overflow below 2^32 additions; the sum of the lower halves is the
 * difference. That is one operation less per vector than to mask the lower half. Two vectors per
 * round keep the additions of one from waiting for those of the other.
 */
static inline __attribute__((always_inline)) uint64_t add_blocks(const uint8_t *at, size_t blocks)
{
	lanes total = {0}, high = {0}, total2 = {0}, high2 = {0}, block, block2;
	uint64_t sum = 0;

	for (; blocks > 0; blocks--, at += BLOCK_BYTES) {
		memcpy(&block, at, sizeof(block));
		memcpy(&block2, at + VECTOR_BYTES, sizeof(block2));
		total += block;
		total2 += block2;
		high += block >> 32;
		high2 += block2 >> 32;
	}
	total += total2;
	high += high2;
	for (size_t i = 0; i < LANES; i++) {
		sum = add_with_carry(sum, high[i]);
		sum = add_with_carry(sum, total[i] - (high[i] << 32));
	}
	return sum;
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static uint64_t add_blocks_avx2(const uint8_t *at, size_t blocks)
{
	return add_blocks(at, blocks);
}
#endif

static uint64_t add_blocks_baseline(const uint8_t *at, size_t blocks)
{
	return add_blocks(at, blocks);
}

/* Asked each time: that is a load and a test, where ifunc (target_clones) does not exist on musl.
 */
static uint64_t add_blocks_best(const uint8_t *at, size_t blocks)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return add_blocks_avx2(at, blocks);
#endif
	return add_blocks_baseline(at, blocks);
}

static inline uint64_t add_less_than_8(uint64_t sum, const uint8_t *at, size_t bytes)
{
	uint32_t four = 0;
	uint16_t two = 0, one = 0;

	if (bytes & 4) {
		memcpy(&four, at, 4);
		at += 4;
	}
	if (bytes & 2) {
		memcpy(&two, at, 2);
		at += 2;
	}
	if (bytes & 1)
		memcpy(&one, at, 1); /* the first byte in memory: the second is the zero */
	return add_with_carry(sum, (uint64_t)four + two + one);
}

uint64_t checksum_add(uint64_t sum, const void *start, size_t bytes)
{
	const uint8_t *at = start;
	uint64_t piece = 0, word;

	if (bytes >= BLOCK_BYTES) {
		piece = add_blocks_best(at, bytes / BLOCK_BYTES);
		at += bytes / BLOCK_BYTES * BLOCK_BYTES;
		bytes %= BLOCK_BYTES;
	}
	for (; bytes >= sizeof(word); bytes -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		piece = add_with_carry(piece, word);
	}
	return sum + fold_to_32(add_less_than_8(piece, at, bytes));
}

uint64_t checksum_add_be16(uint64_t sum, uint16_t value)
{
	return sum + htons(value);
}

uint64_t checksum_add_be32(uint64_t sum, uint32_t value)
{
	return sum + htonl(value);
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = fold_to_32(sum);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

uint64_t checksum_add_pseudo(uint64_t sum, const uint8_t *ip_packet, uint8_t protocol,
			     uint32_t bytes)
{
	bool is_ipv4 = ip_packet[0] >> 4 == 4;

	/* Source and destination side by side. */
	sum = is_ipv4 ? checksum_add(sum, ip_packet + 12, 8) : checksum_add(sum, ip_packet + 8, 32);
	return checksum_add_be32(checksum_add_be16(sum, protocol), bytes);
}
