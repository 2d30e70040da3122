/*
 * The program that keeps strangers out, run by an interpreter, against membership. Input: room for
 * instructions (1), peer sockets (1), first address (4), then distances from one to the next.
 */
#include "fuzz.h"

#include "engine/stranger_filter.h"
#include "packet/inner.h"

#define MAX_ADDRESSES 4096
#define IS_FAR 0xe0u /* of a distance: what follows says how far */
#define STRANGER_SOCKET 77
/* Of one input in so many the distances are walked many times: for long programs. */
#define LONG_ONE_IN 64
#define LONG_WALKS 8

static uint32_t addresses[MAX_ADDRESSES];
static struct address_range ranges[MAX_ADDRESSES];
static struct sock_filter program[STRANGER_FILTER_MAX_INSTRUCTIONS];
static struct sock_filter exact[STRANGER_FILTER_MAX_INSTRUCTIONS];
static struct arena arena;

/* An outer IPv4 packet, from its network header on. */
struct packet {
	uint8_t bytes[68];
	size_t count;
};

static struct packet plain, with_options;

static struct packet packet_of(unsigned header_words)
{
	struct packet packet = {.count = header_words * 4 + 8};

	memset(packet.bytes, (int)header_words, sizeof(packet.bytes)); /* whatever else there is */
	packet.bytes[0] = (uint8_t)(0x40 | header_words);
	return packet;
}

NOT_TRACED static void put_flow(struct packet *packet, uint32_t source, uint16_t port)
{
	write_be32(packet->bytes + 12, source);
	write_be16(packet->bytes + packet->count - 8, port);
}

/* Loads relative to the network header only: relative to the data they depend on the kernel. */
NOT_TRACED static uint32_t load(const struct packet *packet, uint32_t at, unsigned size)
{
	uint32_t offset = at - (uint32_t)SKF_NET_OFF, value = 0;
	size_t count = size == BPF_W ? 4 : size == BPF_H ? 2 : 1;

	MUST(offset < 1u << 20 && offset + count <= packet->count);
	for (size_t i = 0; i < count; i++)
		value = value << 8 | packet->bytes[offset + i];
	return value;
}

NOT_TRACED static uint32_t calculate(unsigned operation, uint32_t a, uint32_t b)
{
	switch (operation) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_RSH:
		MUST(b < 32);
		return a >> b;
	case BPF_LSH:
		MUST(b < 32);
		return a << b;
	case BPF_MOD:
		MUST(b != 0);
		return a % b;
	default:
		BROKEN("an operation that this interpreter does not know");
	}
}

NOT_TRACED static bool holds(unsigned comparison, uint32_t a, uint32_t b)
{
	switch (comparison) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default:
		BROKEN("a comparison that this interpreter does not know");
	}
}

/* Runs it as Linux does (Documentation/networking/filter.rst); ends on every program. */
NOT_TRACED static uint32_t run(const struct sock_filter *code, size_t count,
			       const struct packet *packet)
{
	uint32_t a = 0, x = 0;

	for (size_t pc = 0;; pc++) {
		const struct sock_filter *i = &code[pc];

		MUST(pc < count);
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			MUST(BPF_MODE(i->code) == BPF_ABS || BPF_MODE(i->code) == BPF_IND);
			a = load(packet, i->k + (BPF_MODE(i->code) == BPF_IND ? x : 0),
				 BPF_SIZE(i->code));
			break;
		case BPF_LDX:
			MUST(i->code == (BPF_LDX | BPF_B | BPF_MSH));
			x = (load(packet, i->k, BPF_B) & 15) * 4;
			break;
		case BPF_ALU:
			a = calculate(BPF_OP(i->code), a, BPF_SRC(i->code) == BPF_X ? x : i->k);
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += i->k;
			else
				pc += holds(BPF_OP(i->code), a, i->k) ? i->jt : i->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(i->code) == BPF_A ? a : i->k;
		case BPF_MISC:
			if (BPF_MISCOP(i->code) == BPF_TAX)
				x = a;
			else
				a = x;
			break;
		default:
			BROKEN("a class that this interpreter does not know");
		}
	}
}

/* Whether an address reaches one of the peers' sockets. */
NOT_TRACED static bool passes(const struct sock_filter *code, size_t count, uint32_t address,
			      uint32_t sockets)
{
	uint32_t socket;

	put_flow(&plain, address, (uint16_t)(address * 40503u));
	socket = run(code, count, &plain);
	MUST(socket == STRANGER_SOCKET || socket < sockets);
	return socket != STRANGER_SOCKET;
}

/* One flow always reaches the same socket, and flows of one host reach more than one. */
static void check_choice(const struct sock_filter *code, size_t count, uint32_t address,
			 uint32_t sockets)
{
	uint32_t seen = 0;

	for (uint16_t port = 49152; port < 49152 + 64; port++) {
		uint32_t socket;

		put_flow(&plain, address, port);
		put_flow(&with_options, address, port);
		socket = run(code, count, &plain);
		MUST(socket < sockets && run(code, count, &with_options) == socket);
		seen |= 1u << socket;
	}
	MUST(sockets == 1 || (seen & (seen - 1)) != 0);
}

/* The addresses in `input`, ascending and without repeats. */
static size_t take_addresses(struct input *input, size_t walks)
{
	uint64_t address = (uint64_t)take_u16(input) << 16;
	struct input distances;
	size_t count = 0;

	address |= take_u16(input);
	for (size_t i = 0; i < walks; i++) {
		distances = *input;
		while (count < MAX_ADDRESSES && distances.left > 0 && address <= UINT32_MAX) {
			uint8_t distance = take_u8(&distances);

			addresses[count++] = (uint32_t)address;
			if (distance < IS_FAR)
				address += 1u + distance % 16;
			else
				address += 1 + ((uint64_t)take_u16(&distances) << (distance & 15));
		}
	}
	return count;
}

/*
 * Members pass. Between two of them either nobody or everybody passes, everybody only where the
 * gap is among the narrowest, and outside of all of them nobody.
 */
NOT_TRACED static bool check_membership(size_t count, size_t size, uint32_t sockets)
{
	uint32_t widest_joined = 0, narrowest_kept = UINT32_MAX;

	for (size_t i = 0; i < count; i++)
		MUST(passes(program, size, addresses[i], sockets));
	for (size_t i = 1; i < count; i++) {
		uint32_t below = addresses[i - 1], gap = addresses[i] - below;
		bool is_joined;

		if (gap == 1)
			continue;
		is_joined = passes(program, size, below + 1, sockets);
		MUST(passes(program, size, addresses[i] - 1, sockets) == is_joined);
		MUST(passes(program, size, below + gap / 2, sockets) == is_joined);
		if (is_joined && gap > widest_joined)
			widest_joined = gap;
		if (!is_joined && gap < narrowest_kept)
			narrowest_kept = gap;
	}
	MUST(widest_joined <= narrowest_kept);
	MUST(count == 0 || addresses[0] == 0 || !passes(program, size, addresses[0] - 1, sockets));
	MUST(count == 0 || addresses[count - 1] == UINT32_MAX ||
	     !passes(program, size, addresses[count - 1] + 1, sockets));
	MUST(count > 0 || !passes(program, size, 0xc0000201, sockets));
	return widest_joined == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input input = {data, bytes};
	size_t room = STRANGER_FILTER_MIN_INSTRUCTIONS + take_u8(&input) * (size_t)8;
	uint32_t sockets = 1 + take_u8(&input) % 16;
	size_t walks = hash_of(data, bytes) % LONG_ONE_IN == 0 ? LONG_WALKS : 1;
	size_t count = take_addresses(&input, walks), size, exact_size;
	struct sock_filter *out;

	plain = packet_of(5);
	with_options = packet_of(15);
	arena_reset(&arena);
	out = (struct sock_filter *)(void *)arena_take(&arena, room * sizeof(*out));
	size = stranger_filter_write(out, room, addresses, count, ranges, sockets, STRANGER_SOCKET);
	MUST(size >= 1 && size <= room);
	memcpy(program, out, size * sizeof(*out));
	if (count > 0 && hash_of(data, bytes) % 64 == 0)
		check_choice(program, size, addresses[count / 2], sockets);
	exact_size = stranger_filter_write(exact, STRANGER_FILTER_MAX_INSTRUCTIONS, addresses,
					   count, ranges, sockets, STRANGER_SOCKET);
	MUST(check_membership(count, size, sockets) || exact_size > room);
	return 0;
}
