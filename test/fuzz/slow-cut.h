/* The slow twin of a card that cuts runs: each packet is built anew, with every sum from scratch.
 */
#ifndef TWILL_FUZZ_SLOW_CUT_H
#define TWILL_FUZZ_SLOW_CUT_H

#include "slow.h"

#define TCP 6
#define UDP 17
#define FIN_PSH 0x09u
#define CWR 0x80u

/* What a whole packet has; `header` is IP and TCP or UDP, 0 when the latter is not whole. */
struct slow_layout {
	bool is_ipv4;
	size_t ip, header, total;
	unsigned protocol;
};

static inline struct slow_layout slow_layout_of(const uint8_t *packet, size_t total)
{
	struct slow_layout layout = {.is_ipv4 = packet[0] / 16 == 4, .total = total};
	const uint8_t *upper;

	layout.ip = layout.is_ipv4 ? slow_ipv4_header_bytes(packet) : 40;
	layout.protocol = packet[layout.is_ipv4 ? 9 : 6];
	upper = packet + layout.ip;
	if (layout.protocol == UDP && total >= layout.ip + 8)
		layout.header = layout.ip + 8;
	if (layout.protocol == TCP && total >= layout.ip + 20 && upper[12] / 16 >= 5 &&
	    total >= layout.ip + upper[12] / 16 * 4u)
		layout.header = layout.ip + upper[12] / 16 * 4u;
	return layout;
}

/* Writes packet `index` of a run with segments of `gso_size`. Returns its length. */
NOT_TRACED static inline size_t slow_segment(uint8_t *out, const uint8_t *packet,
					     const struct slow_layout *layout, size_t gso_size,
					     size_t index, bool is_last)
{
	size_t at = layout->header + index * gso_size;
	size_t payload = is_last ? layout->total - at : gso_size, bytes = layout->header + payload;
	uint8_t *upper = out + layout->ip;

	memcpy(out, packet, layout->header);
	memcpy(out + layout->header, packet + at, payload);
	if (layout->is_ipv4) {
		slow_put_u16(out + 2, bytes);
		slow_put_u16(out + 4, slow_u16(packet + 4) + index);
		slow_mend_ipv4(out);
	} else {
		slow_put_u16(out + 4, bytes - 40);
	}
	if (layout->protocol == UDP) {
		slow_put_u16(upper + 4, bytes - layout->ip);
	} else {
		size_t low = slow_u16(upper + 6) + index * gso_size;

		slow_put_u16(upper + 6, low);
		slow_put_u16(upper + 4, slow_u16(upper + 4) + low / 65536);
		if (!is_last)
			upper[13] &= (uint8_t)~FIN_PSH;
		if (index > 0)
			upper[13] &= (uint8_t)~CWR;
	}
	slow_mend_upper(out, bytes, layout->ip, layout->protocol, layout->protocol == TCP ? 16 : 6);
	return bytes;
}

#endif
