/* Facts about native/packet/framing.c. */
#include "packet/framing.h"

#include "c-test.h"
#include "inner-packets.h"
#include "random.h"

#include <stdbool.h>

#define SEED 7348
#define RANDOM_DATAGRAMS 200000

static const struct framing bare = {.kind = FRAMING_BARE};
static const struct framing vxlan = {
    .kind = FRAMING_VXLAN,
    .vni = 0x800102, /* the top bit, and three different bytes */
    .own_mac = {0x02, 0x42, 0x0a, 0xf4, 0x01, 0x00},
};
static const uint8_t peer_mac[6] = {0x02, 0x42, 0x0a, 0xf4, 0x02, 0x00};

static void bare_ip_has_no_framing(void)
{
	uint8_t version = 9, *out = new_bytes(FRAMING_MAX_BYTES), *before;

	before = exact_copy(out, FRAMING_MAX_BYTES);
	EXPECT(framing_bytes(&bare), 0);
	framing_write(&bare, out, peer_mac, 4);
	EXPECT(memcmp(out, before, FRAMING_MAX_BYTES), 0);
	EXPECT(framing_read(&bare, out, 0, &version), COUNTER_DECAP_DELIVERED);
	EXPECT(version, 0);
	free(before);
	free(out);
}

static void writes_vxlan_byte_for_byte(void)
{
	static const uint8_t wanted[] = {
	    0x08, 0,	0,    0,    0x80, 0x01, 0x02, 0,    /* flag I, VNI */
	    0x02, 0x42, 0x0a, 0xf4, 0x02, 0x00,		    /* to the peer */
	    0x02, 0x42, 0x0a, 0xf4, 0x01, 0x00, 0x08, 0x00, /* from us, IPv4 */
	};
	uint8_t *out = malloc(sizeof(wanted));

	EXPECT(framing_bytes(&vxlan), sizeof(wanted));
	memset(out, 0xee, sizeof(wanted));
	framing_write(&vxlan, out, peer_mac, 4);
	EXPECT(memcmp(out, wanted, sizeof(wanted)), 0);
	framing_write(&vxlan, out, peer_mac, 6);
	EXPECT(memcmp(out, wanted, 20), 0);
	EXPECT(field(out, 160, 16), 0x86dd);
	free(out);
}

/* A datagram to us of `bytes` bytes. */
static uint8_t *new_datagram(size_t bytes)
{
	uint8_t *datagram = new_bytes(bytes < 22 ? 22 : bytes);

	framing_write(&vxlan, datagram, vxlan.own_mac, 4);
	memcpy(datagram + 14, peer_mac, sizeof(peer_mac));
	return realloc(datagram, bytes > 0 ? bytes : 1);
}

static void reads_nothing_behind_a_short_datagram(void)
{
	for (size_t bytes = 0; bytes <= 24; bytes++) {
		uint8_t version, *datagram = new_datagram(bytes);

		EXPECT(framing_read(&vxlan, datagram, bytes, &version),
		       bytes < 22 ? COUNTER_DECAP_DROP_SHORT : COUNTER_DECAP_DELIVERED);
		EXPECT(version, bytes < 22 ? 0 : 4);
		free(datagram);
	}
}

/* One field of a datagram to us changed; in the order in which the fields are looked at. */
static void refuses_what_is_not_for_us(void)
{
	static const struct {
		const char *name;
		size_t at, count;
		uint64_t value;
		enum counter outcome;
		uint8_t version;
	} cases[] = {
	    {"flag I clear", 4, 1, 0, COUNTER_DECAP_DROP_FRAME_FLAGS, 0},
	    {"all flags but I", 0, 8, 0xf7, COUNTER_DECAP_DROP_FRAME_FLAGS, 0},
	    {"all flags", 0, 8, 0xff, COUNTER_DECAP_DELIVERED, 4},
	    {"reserved bits", 8, 24, 0xffffff, COUNTER_DECAP_DELIVERED, 4},
	    {"last reserved bits", 56, 8, 0xff, COUNTER_DECAP_DELIVERED, 4},
	    {"VNI 0", 32, 24, 0, COUNTER_DECAP_DROP_FRAME_VNI, 0},
	    {"VNI one more", 32, 24, 0x800103, COUNTER_DECAP_DROP_FRAME_VNI, 0},
	    {"VNI without its top bit", 32, 1, 0, COUNTER_DECAP_DROP_FRAME_VNI, 0},
	    {"the peer's MAC", 64, 48, 0x02420af40200, COUNTER_DECAP_DROP_FRAME_MAC, 0},
	    {"our MAC but its first bit", 64, 1, 1, COUNTER_DECAP_DROP_FRAME_MAC, 0},
	    {"our MAC but its last bit", 111, 1, 1, COUNTER_DECAP_DROP_FRAME_MAC, 0},
	    {"broadcast", 64, 48, 0xffffffffffff, COUNTER_DECAP_DROP_FRAME_MAC, 0},
	    {"multicast", 64, 48, 0x333300000001, COUNTER_DECAP_DROP_FRAME_MAC, 0},
	    {"any source MAC", 112, 48, 0xffffffffffff, COUNTER_DECAP_DELIVERED, 4},
	    {"IPv6", 160, 16, 0x86dd, COUNTER_DECAP_DELIVERED, 6},
	    {"ARP", 160, 16, 0x0806, COUNTER_DECAP_DROP_FRAME_TYPE, 0},
	    {"VLAN", 160, 16, 0x8100, COUNTER_DECAP_DROP_FRAME_TYPE, 0},
	    {"an IEEE 802.3 length", 160, 16, 46, COUNTER_DECAP_DROP_FRAME_TYPE, 0},
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		uint8_t version = 9, *datagram = new_datagram(42);

		set_field(datagram, cases[i].at, cases[i].count, cases[i].value);
		expect(__LINE__, cases[i].name, framing_read(&vxlan, datagram, 42, &version),
		       cases[i].outcome);
		expect(__LINE__, cases[i].name, version, cases[i].version);
		free(datagram);
	}
}

/* RFC 7348 section 5, field by field. */
static enum counter twin_read(const uint8_t *datagram, size_t bytes, uint8_t *version)
{
	*version = 0;
	if (bytes < 22)
		return COUNTER_DECAP_DROP_SHORT;
	if (field(datagram, 4, 1) == 0)
		return COUNTER_DECAP_DROP_FRAME_FLAGS;
	if (field(datagram, 32, 24) != 0x800102)
		return COUNTER_DECAP_DROP_FRAME_VNI;
	if (field(datagram, 64, 48) != 0x02420af40100)
		return COUNTER_DECAP_DROP_FRAME_MAC;
	if (field(datagram, 160, 16) != 0x0800 && field(datagram, 160, 16) != 0x86dd)
		return COUNTER_DECAP_DROP_FRAME_TYPE;
	*version = field(datagram, 160, 16) == 0x0800 ? 4 : 6;
	return COUNTER_DECAP_DELIVERED;
}

static void agrees_with_the_twin_about_random_datagrams(void)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806, 0x8100};
	size_t outcomes[COUNTER_COUNT] = {0};
	uint64_t random = SEED;

	for (size_t i = 0; i < RANDOM_DATAGRAMS; i++) {
		size_t bytes = 18 + below(&random, 30), flips = below(&random, 4);
		uint8_t *datagram = new_datagram(bytes), version = 9, wanted_version;
		enum counter wanted;

		if (bytes >= 22)
			set_field(datagram, 160, 16, types[below(&random, LENGTH(types))]);
		for (size_t flip = 0; flip < flips; flip++) {
			size_t bit = below(&random, bytes * 8);

			datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		wanted = twin_read(datagram, bytes, &wanted_version);
		EXPECT(framing_read(&vxlan, datagram, bytes, &version), wanted);
		EXPECT(version, wanted_version);
		outcomes[wanted]++;
		free(datagram);
	}
	for (int i = COUNTER_DECAP_DROP_SHORT; i <= COUNTER_DECAP_DROP_FRAME_TYPE; i++)
		EXPECT(outcomes[i] > RANDOM_DATAGRAMS / 1000, true);
	EXPECT(outcomes[COUNTER_DECAP_DELIVERED] > RANDOM_DATAGRAMS / 1000, true);
}

static void reads_what_it_wrote(void)
{
	static const uint32_t vnis[] = {0, 1, 0x7fffff, 0x800000, 0xffffff};

	for (size_t i = 0; i < LENGTH(vnis); i++) {
		struct framing framing = vxlan, other = vxlan;
		uint8_t out[22], version;

		framing.vni = vnis[i];
		other.vni = vnis[i] ^ 0x010000;
		framing_write(&framing, out, vxlan.own_mac, 6);
		EXPECT(framing_read(&framing, out, 22, &version), COUNTER_DECAP_DELIVERED);
		EXPECT(version, 6);
		EXPECT(framing_read(&other, out, 22, &version), COUNTER_DECAP_DROP_FRAME_VNI);
	}
}

static const struct test_case cases[] = {
    CASE(bare_ip_has_no_framing),
    CASE(writes_vxlan_byte_for_byte),
    CASE(reads_nothing_behind_a_short_datagram),
    CASE(refuses_what_is_not_for_us),
    CASE(agrees_with_the_twin_about_random_datagrams),
    CASE(reads_what_it_wrote),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
