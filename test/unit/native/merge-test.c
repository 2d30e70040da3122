/* Which two packets native/packet/merge.c makes one; merge-twin-test.c asks for many at once. */
#include "merge-checker.h"

static void neighbours_become_one(void)
{
	struct merge *merge = new_merge();

	for (uint64_t kind = 0; kind < KINDS; kind++) {
		struct pair pair = make_pair(kind, 1 + 97 * (size_t)kind);

		EXPECT(runs_of(merge, &pair), 1);
		EXPECT(merge->runs[0].packets, 2);
		EXPECT(merge->runs[0].peer, 1);
		EXPECT(merge->runs[0].vnet.gso_size, pair.recipe.payload_bytes);
		EXPECT(merge->runs[0].iov_count, 4);
		free_pair(&pair);
	}
	free(merge);
}

/* The only bits of a header in which neighbours may differ, everything else being right. */
static bool is_psh(const struct pair *pair, size_t at, uint8_t change)
{
	return pair->recipe.protocol == IPPROTO_TCP && change == 0x08 &&
	       at == ip_bytes_of(pair->first.at) + 13;
}

/* Changes one byte of the second packet's headers, with or without mending the checksums. */
static void expect_byte_to_count(struct merge *merge, const struct pair *pair, size_t at,
				 uint8_t change, bool is_mended)
{
	struct pair changed = {pair->recipe, pair->first, {malloc(pair->second.bytes), 0}};
	struct packet *second = &changed.second;
	struct inner inner;
	bool is_same;

	second->bytes = pair->second.bytes;
	memcpy(second->at, pair->second.at, second->bytes);
	second->at[at] ^= change;
	if (is_mended && second->at[0] >> 4 == 4 && ip_bytes_of(second->at) < second->bytes)
		naive_finish_ipv4(second->at);
	if (is_mended && checksum_at(second->at) + 2 <= second->bytes)
		naive_finish_transport(second->at, second->bytes);
	/* A changed byte of a checksum is mended itself. */
	is_same = memcmp(second->at, pair->second.at, second->bytes) == 0;
	if (inner_parse(&inner, second->at, second->bytes) == INNER_FAULT_NONE)
		EXPECT(runs_of(merge, &changed),
		       is_same || (is_mended && is_psh(pair, at, change)) ? 1 : 2);
	free(second->at);
}

static void every_bit_of_the_headers_counts(void)
{
	struct merge *merge = new_merge();

	for (uint64_t kind = 0; kind < KINDS; kind++) {
		struct pair pair = make_pair(kind, 40);

		for (size_t at = 0; at < header_bytes_of(pair.first.at); at++) {
			for (unsigned change = 1; change < 256; change++) {
				expect_byte_to_count(merge, &pair, at, (uint8_t)change, false);
				expect_byte_to_count(merge, &pair, at, (uint8_t)change, true);
			}
		}
		free_pair(&pair);
	}
	free(merge);
}

/* Flags that both packets have, or the first alone. */
static size_t runs_with_flags(struct merge *merge, uint8_t reserved, uint8_t flags, bool both)
{
	struct pair pair = make_pair(0, 40);
	size_t tcp = ip_bytes_of(pair.first.at), runs;

	for (size_t i = 0; i < (both ? 2 : 1); i++) {
		struct packet packet = i == 0 ? pair.first : pair.second;

		packet.at[tcp + 12] |= reserved;
		packet.at[tcp + 13] |= flags;
		naive_finish(packet.at, packet.bytes);
	}
	runs = runs_of(merge, &pair);
	free_pair(&pair);
	return runs;
}

static void flags_of_more_than_data_are_not_merged(void)
{
	static const uint8_t flags[] = {0x01, 0x02, 0x04, 0x08, 0x20, 0x80}; /* all but ACK, ECE */
	struct merge *merge = new_merge();

	for (size_t i = 0; i < sizeof(flags); i++) {
		EXPECT(runs_with_flags(merge, 0, flags[i], true), 2);
		EXPECT(runs_with_flags(merge, 0, flags[i], false), 2);
	}
	for (uint8_t reserved = 1; reserved < 16; reserved++)
		EXPECT(runs_with_flags(merge, reserved, 0, true), 2);
	EXPECT(runs_with_flags(merge, 0, 0x40, true), 1); /* ECE */
	EXPECT(runs_with_flags(merge, 0, 0x40, false), 2);
	free(merge);
}

static void damaged_payload_is_not_merged(void)
{
	struct merge *merge = new_merge();

	for (uint64_t kind = 0; kind < KINDS; kind++) {
		struct pair pair = make_pair(kind, 300 + (size_t)kind);

		for (size_t at = header_bytes_of(pair.first.at); at < pair.first.bytes; at++) {
			struct packet damaged = at % 2 ? pair.first : pair.second;

			damaged.at[at] ^= (uint8_t)(1u << at / 2 % 8);
			EXPECT(runs_of(merge, &pair), 2);
			damaged.at[at] ^= (uint8_t)(1u << at / 2 % 8);
		}
		EXPECT(runs_of(merge, &pair), 1);
		free_pair(&pair);
	}
	free(merge);
}

/* A checksum of 0 written as 0xffff is right as well, but nobody who cuts would write it. */
static void unusual_checksum_is_not_merged(void)
{
	struct merge *merge = new_merge();

	for (uint64_t kind = 0; kind < KINDS; kind++) {
		struct pair pair = make_pair(kind, 40);
		uint8_t *packet = kind & 4 ? pair.first.at : pair.second.at;
		uint8_t *checksum = packet + checksum_at(packet);

		put16(packet + header_bytes_of(packet), 0);
		naive_finish(packet, pair.first.bytes);
		memcpy(packet + header_bytes_of(packet), checksum, 2);
		naive_finish(packet, pair.first.bytes);
		EXPECT(get16(checksum), pair.recipe.protocol == IPPROTO_UDP ? 0xffff : 0);
		EXPECT(runs_of(merge, &pair), 1);
		put16(checksum, (uint16_t)~get16(checksum));
		EXPECT(runs_of(merge, &pair), 2);
		free_pair(&pair);
	}
	free(merge);
}

static void unusual_ipv4_checksum_is_not_merged(void)
{
	struct merge *merge = new_merge();
	struct pair pair = make_pair(0, 40);
	uint8_t *ip = pair.second.at;
	uint16_t id;

	/* Turns both identifications so that the second header's checksum is 0. */
	id = (uint16_t)((get16(ip + 4) + get16(ip + 10)) % 0xffff);
	put16(ip + 4, id);
	naive_finish_ipv4(ip);
	EXPECT(get16(ip + 10), 0);
	put16(pair.first.at + 4, id - 1u);
	naive_finish_ipv4(pair.first.at);
	EXPECT(runs_of(merge, &pair), 1);
	put16(ip + 10, 0xffff);
	EXPECT(runs_of(merge, &pair), 2);
	free_pair(&pair);
	free(merge);
}

static const struct test_case cases[] = {
    CASE(neighbours_become_one),
    CASE(every_bit_of_the_headers_counts),
    CASE(flags_of_more_than_data_are_not_merged),
    CASE(damaged_payload_is_not_merged),
    CASE(unusual_checksum_is_not_merged),
    CASE(unusual_ipv4_checksum_is_not_merged),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
