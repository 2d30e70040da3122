/*
 * icmp_may_answer() and icmp_write() against RFC 792 and RFC 4443. Input: settings (1), MTU (2),
 * packet.
 */
#include "fuzz.h"
#include "slow.h"

#include "packet/icmp_error.h"

#define REASON(settings) ((enum icmp_reason)((settings) % 3))
#define IS_LARGE                                                                        \
	0x40u /* the packet is followed by zeros up to what is quoted at most, and more \
	       */

static const struct icmp_sender sender = {0x0af40100, {0x20010db800010000, 0}};
static struct arena arena;

static bool is_in(uint8_t type, const uint8_t *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == type)
			return true;
	return false;
}

static bool wanted_may_answer(const uint8_t *packet, size_t bytes)
{
	static const uint8_t queries4[] = {0, 8, 13, 14, 15, 16, 17, 18, 42, 43};
	static const uint8_t queries6[] = {128, 129, 139, 140};
	struct slow_chain chain;
	size_t header;

	if (packet[0] / 16 == 4) {
		header = slow_ipv4_header_bytes(packet);
		if (slow_u16(packet + 6) % 0x2000 > 0)
			return false;
		return packet[9] != 1 ||
		       (header < bytes && is_in(packet[header], queries4, sizeof(queries4)));
	}
	chain = slow_follow(packet, bytes);
	if (chain.is_later_fragment || !chain.is_whole)
		return false;
	return chain.protocol != 58 ||
	       (chain.at < bytes && is_in(packet[chain.at], queries6, sizeof(queries6)));
}

/* The error in `out` is one about `packet`, right in every field. */
static void check_error(const uint8_t *out, size_t bytes, const uint8_t *packet, size_t total,
			enum icmp_reason reason, size_t mtu)
{
	static const uint8_t types[2][3][2] = {{{3, 0}, {3, 4}, {11, 0}}, {{1, 0}, {2, 0}, {3, 0}}};
	bool is_ipv4 = packet[0] / 16 == 4;
	size_t icmp = is_ipv4 ? 20 : 40, most = is_ipv4 ? 576 : 1280;
	size_t quote = total < most - icmp - 8 ? total : most - icmp - 8;
	size_t told_mtu = reason == ICMP_TOO_BIG ? mtu : 0;
	struct inner inner;

	MUST(bytes == icmp + 8 + quote);
	MUST(inner_parse(&inner, out, bytes) == INNER_FAULT_NONE && inner.total_bytes == bytes);
	MUST(inner.protocol == (is_ipv4 ? 1 : 58) && inner.header_bytes == icmp);
	MUST(memcmp(out + icmp + 8, packet, quote) == 0);
	MUST(memcmp(out + icmp, types[!is_ipv4][reason], 2) == 0);
	MUST(slow_u16(out + icmp + 4) == 0 && slow_u16(out + icmp + 6) == told_mtu);
	if (is_ipv4) {
		MUST(inner.source == sender.address && memcmp(out + 16, packet + 12, 4) == 0);
		MUST(slow_checksum(slow_sum(0, out + icmp, bytes - icmp)) == 0);
	} else {
		MUST(inner.source6.high == sender.address6.high);
		MUST(inner.source6.low == sender.address6.low);
		MUST(memcmp(out + 24, packet + 8, 16) == 0);
		MUST(slow_upper_is_right(out, bytes, icmp, 58));
	}
	MUST(!icmp_may_answer(out, &inner)); /* or two nodes would answer each other for ever */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input input = {data, bytes};
	uint8_t settings = take_u8(&input), *packet, *out;
	size_t mtu = take_u16(&input), length = input.left, written;
	struct inner inner;

	arena_reset(&arena);
	if (settings & IS_LARGE)
		length += hash_of(data, bytes) % 2048;
	packet = arena_take(&arena, length);
	memset(packet, 0, length);
	if (input.left > 0)
		memcpy(packet, input.at, input.left);
	if (settings & IS_LARGE && length >= 40)
		slow_put_u16(packet + (packet[0] / 16 == 4 ? 2 : 4),
			     length - (packet[0] / 16 == 4 ? 0 : 40));
	slow_mend_if_ipv4(packet, length);
	if (inner_parse(&inner, packet, length) != INNER_FAULT_NONE)
		return 0;

	MUST(icmp_may_answer(packet, &inner) == wanted_may_answer(packet, inner.total_bytes));
	out = arena_take(&arena, inner.version == 4 ? 576 : ICMP_ERROR_MAX_BYTES);
	written = icmp_write(out, packet, &inner, REASON(settings), &sender, mtu);
	check_error(out, written, packet, inner.total_bytes, REASON(settings), mtu);
	return 0;
}
