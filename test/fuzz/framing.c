/*
 * framing_read() and framing_write() against the drawing in framing.h. Input: kind (1), VNI (3),
 * own MAC (6), datagram.
 */
#include "fuzz.h"
#include "slow.h"

#include "packet/framing.h"

static struct arena arena;

static enum counter wanted_of(const struct framing *framing, const uint8_t *datagram, size_t bytes,
			      unsigned *version)
{
	unsigned type;

	*version = 0;
	if (framing->kind == FRAMING_BARE)
		return COUNTER_DECAP_DELIVERED;
	if (bytes < 8 + 14)
		return COUNTER_DECAP_DROP_SHORT;
	if (datagram[0] / 8 % 2 == 0)
		return COUNTER_DECAP_DROP_FRAME_FLAGS;
	if (datagram[4] * 65536u + slow_u16(datagram + 5) != framing->vni)
		return COUNTER_DECAP_DROP_FRAME_VNI;
	for (size_t i = 0; i < 6; i++)
		if (datagram[8 + i] != framing->own_mac[i])
			return COUNTER_DECAP_DROP_FRAME_MAC;
	type = slow_u16(datagram + 20);
	if (type != 0x0800 && type != 0x86dd)
		return COUNTER_DECAP_DROP_FRAME_TYPE;
	*version = type == 0x0800 ? 4 : 6;
	return COUNTER_DECAP_DELIVERED;
}

/* What a node writes, the node that it is for reads, and nobody else. */
static void check_round_trip(const struct framing *sender, uint8_t version)
{
	static const uint8_t peer_mac[6] = {0x02, 0x42, 0xc0, 0x00, 0x02, 0x07};
	struct framing receiver = {sender->kind, sender->vni, {0}};
	size_t bytes = framing_bytes(sender);
	uint8_t *frame = arena_take(&arena, bytes), read_version;
	bool is_vxlan = sender->kind == FRAMING_VXLAN;

	memcpy(receiver.own_mac, peer_mac, sizeof(peer_mac));
	MUST(bytes == (is_vxlan ? 22 : 0));
	framing_write(sender, frame, peer_mac, version);
	MUST(framing_read(&receiver, frame, bytes, &read_version) == COUNTER_DECAP_DELIVERED);
	MUST(read_version == (is_vxlan ? version : 0));
	if (!is_vxlan)
		return;
	MUST(frame[0] == 8 && frame[1] == 0 && frame[2] == 0 && frame[3] == 0 && frame[7] == 0);
	MUST(memcmp(frame + 14, sender->own_mac, sizeof(peer_mac)) == 0);
	receiver.vni ^= 1;
	MUST(framing_read(&receiver, frame, bytes, &read_version) == COUNTER_DECAP_DROP_FRAME_VNI);
	receiver.vni ^= 1;
	receiver.own_mac[5] ^= 1;
	MUST(framing_read(&receiver, frame, bytes, &read_version) == COUNTER_DECAP_DROP_FRAME_MAC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input input = {data, bytes};
	uint8_t kind = take_u8(&input), version;
	struct framing framing = {.kind = kind % 2 ? FRAMING_VXLAN : FRAMING_BARE};
	unsigned wanted_version;
	enum counter outcome;
	uint8_t *datagram;

	framing.vni = (uint32_t)take_u8(&input) << 16;
	framing.vni |= take_u16(&input);
	for (size_t i = 0; i < sizeof(framing.own_mac); i++)
		framing.own_mac[i] = take_u8(&input);
	arena_reset(&arena);
	datagram = arena_copy(&arena, input.at, input.left);
	outcome = framing_read(&framing, datagram, input.left, &version);
	MUST(outcome == wanted_of(&framing, datagram, input.left, &wanted_version));
	if (outcome == COUNTER_DECAP_DELIVERED)
		MUST(version == wanted_version);
	check_round_trip(&framing, kind & 2 ? 4 : 6);
	return 0;
}
