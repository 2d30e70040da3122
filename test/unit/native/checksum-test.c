/* Facts about native/packet/checksum.c, on this machine's vectors and on those of any. */
#include "packet/checksum.h"

#include "c-test.h"
#include "packet-maker.h"

/* The same file once more, as on a machine that it knows nothing about. */
#undef __x86_64__
#define checksum_add plain_checksum_add
#define checksum_add_be16 plain_checksum_add_be16
#define checksum_add_be32 plain_checksum_add_be32
#define checksum_fold plain_checksum_fold
#define checksum_add_pseudo plain_checksum_add_pseudo
#include "packet/checksum.c"
#undef checksum_add
#undef checksum_add_be16
#undef checksum_add_be32
#undef checksum_fold
#undef checksum_add_pseudo

/* As it is on the wire. */
static uint16_t folded(uint64_t sum)
{
	uint16_t in_memory = checksum_fold(sum);
	uint8_t bytes[2];

	memcpy(bytes, &in_memory, sizeof(bytes));
	return get16(bytes);
}

/* The bytes at the end of a block of memory, `offset` off what malloc() aligns to. */
static void compare(const uint8_t *bytes, size_t count, size_t offset)
{
	uint8_t *block = malloc(offset + count);

	memcpy(block + offset, bytes, count);
	EXPECT(folded(checksum_add(0, block + offset, count)), naive_sum(0, bytes, count));
	EXPECT(folded(plain_checksum_add(0, block + offset, count)), naive_sum(0, bytes, count));
	free(block);
}

static void sum_is_that_of_the_naive_twin(void)
{
	static uint8_t bytes[65536];
	uint64_t seed = 1;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)next_random(&seed);
	for (size_t count = 0; count < 300; count++)
		for (size_t offset = 0; offset < 16; offset++)
			compare(bytes + below(&seed, 1000), count, offset);
	for (size_t i = 0; i < 300; i++)
		compare(bytes, below(&seed, sizeof(bytes)), below(&seed, 64));
	compare(bytes, sizeof(bytes), 1);
}

static void carries_are_not_lost(void)
{
	uint8_t *bytes = malloc(1 << 22);

	memset(bytes, 0xff, 1 << 22);
	for (size_t count = 1; count <= 1 << 22; count = count * 2 + count % 3)
		compare(bytes, count, 1);
	memset(bytes, 0, 1 << 22);
	compare(bytes, 1 << 22, 0);
	bytes[(1 << 22) - 1] = 1;
	compare(bytes, 1 << 22, 0);
	free(bytes);
}

static void pieces_give_the_sum_of_the_whole(void)
{
	uint8_t bytes[2000];
	uint64_t seed = 2, sum;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)next_random(&seed);
	for (size_t round = 0; round < 2000; round++) {
		size_t count = below(&seed, sizeof(bytes)), at = 0, piece;

		for (sum = 0; at < count; at += piece) {
			piece = 2 * below(&seed, 200);
			piece = piece < count - at ? piece : count - at;
			sum = checksum_add(sum, bytes + at, piece);
		}
		EXPECT(folded(sum), naive_sum(0, bytes, count));
	}
}

static void each_call_adds_at_most_32_bits(void)
{
	uint8_t bytes[1000];

	memset(bytes, 0xff, sizeof(bytes));
	for (size_t count = 0; count <= sizeof(bytes); count++) {
		EXPECT(checksum_add(0, bytes, count) <= UINT32_MAX, 1);
		EXPECT(plain_checksum_add(0, bytes, count) <= UINT32_MAX, 1);
	}
	EXPECT(checksum_fold(UINT64_MAX), 0xffff);
	EXPECT(checksum_fold(0xfffffffffffffffe), 0xfffe);
	EXPECT(checksum_fold(0x0001000100010001), 4);
}

static void numbers_count_as_their_bytes(void)
{
	EXPECT(folded(checksum_add_be16(0, 0x1234)), 0x1234);
	EXPECT(folded(checksum_add_be32(0, 0x12345678)), 0x1234 + 0x5678);
	EXPECT(folded(checksum_add_be16(checksum_add_be16(0, 0xffff), 0x0001)), 0x0001);
}

static void pseudo_header_is_that_of_both_families(void)
{
	uint64_t seed = 3;

	for (size_t i = 0; i < 1000; i++) {
		struct recipe recipe = random_recipe(&seed, below(&seed, 100));
		struct packet packet = make_packet(&recipe, &seed);
		uint32_t bytes = (uint32_t)(packet.bytes - ip_bytes_of(packet.at));

		EXPECT(folded(checksum_add_pseudo(0, packet.at, recipe.protocol, bytes)),
		       naive_pseudo(packet.at, packet.bytes));
		free(packet.at);
	}
}

static void right_checksum_gives_all_ones(void)
{
	/* The example of many a textbook: 192.168.0.1 to 192.168.0.199, UDP, checksum b861. */
	static const uint8_t header[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40,
					 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
					 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

	EXPECT(folded(checksum_add(0, header, sizeof(header))), 0xffff);
}

static const struct test_case cases[] = {
    CASE(sum_is_that_of_the_naive_twin),    CASE(carries_are_not_lost),
    CASE(pieces_give_the_sum_of_the_whole), CASE(each_call_adds_at_most_32_bits),
    CASE(numbers_count_as_their_bytes),	    CASE(pseudo_header_is_that_of_both_families),
    CASE(right_checksum_gives_all_ones),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
