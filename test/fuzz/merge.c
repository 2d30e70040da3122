/*
 * merge_add() and merge_finish() over a stream of packets. What comes out is cut again and must be
 * the very packets that went in, in an order that keeps that of every flow; and what merge.h says
 * is merged must have been.
 *
 * Input: which protocols may be merged (1), then an operation for each packet: what (1), length of
 * the payload (1), and with MUTATES which header byte (1) and by what it is changed (1).
 */
#include "flows.h"
#include "fuzz.h"
#include "slow-cut.h"

#include "packet/merge.h"

#define MAX_PACKETS 512
/* Of one input in so many every packet becomes a burst, so that runs reach their limits. */
#define BURST_ONE_IN 512
#define BURST_PACKETS 24
#define BURST_FACTOR 8

struct packet {
	uint8_t *bytes, *before; /* as given to merge_add(), and a copy */
	size_t length, header;
	uint32_t peer, hash; /* of addresses, ports and protocol */
	bool has_ports, is_fit;
	size_t run, place; /* where it came out: number of run, counted over all batches */
};

static struct flow templates[FLOWS], flows[FLOWS];
static struct packet packets[MAX_PACKETS];
static size_t packet_count, run_count;
static struct merge merge;
static struct arena arena;

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_flows(templates);
	return 0;
}

/* Whether merge.h says that such a packet is merged, if a fitting one follows. */
static bool is_fit(const uint8_t *p, const struct slow_layout *layout)
{
	const uint8_t *upper = p + layout->ip;

	if (layout->header == 0 || layout->header == layout->total ||
	    !slow_upper_is_right(p, layout->total, layout->ip, layout->protocol))
		return false;
	/* 0xffff is another way to write 0, which no cut would give back. */
	if (layout->is_ipv4 && (slow_u16(p + 6) % 0x4000 > 0 || slow_u16(p + 10) == 0xffff))
		return false;
	if (layout->protocol == UDP)
		return slow_u16(upper + 4) == layout->total - layout->ip &&
		       slow_u16(upper + 6) != 0 && merge.allowed & MERGE_UDP;
	return merge.allowed & MERGE_TCP && (upper[13] & 0xa7) == 0 && upper[12] % 16 == 0 &&
	       slow_u16(upper + 16) != 0xffff;
}

static void describe(struct packet *packet)
{
	const uint8_t *p = packet->bytes;
	struct slow_layout layout = slow_layout_of(p, packet->length);
	size_t addresses = layout.is_ipv4 ? 12 : 8;

	packet->header = layout.header;
	packet->has_ports = (layout.protocol == TCP || layout.protocol == UDP) &&
			    packet->length >= layout.ip + 4 &&
			    (!layout.is_ipv4 || slow_u16(p + 6) % 0x2000 == 0);
	packet->hash = hash_of(p + addresses, layout.is_ipv4 ? 8 : 32);
	if (packet->has_ports)
		packet->hash = packet->hash * 31 + hash_of(p + layout.ip, 4) * 8 + layout.protocol;
	packet->is_fit = is_fit(p, &layout);
	packet->run = SIZE_MAX;
}

/* The addresses of both are the same. */
NOT_TRACED static bool are_between_same(const struct packet *a, const struct packet *b)
{
	size_t at = a->bytes[0] / 16 == 4 ? 12 : 8, count = at == 12 ? 8 : 32;

	return a->bytes[0] / 16 == b->bytes[0] / 16 &&
	       memcmp(a->bytes + at, b->bytes + at, count) == 0;
}

/* Whether the second, which comes right after the first, belongs to the first's run. */
NOT_TRACED static bool must_join(const struct packet *a, const struct packet *b)
{
	const uint8_t *p = a->bytes, *q = b->bytes;
	bool is_ipv4 = p[0] / 16 == 4;
	size_t ip = is_ipv4 ? slow_ipv4_header_bytes(p) : 40;
	const struct merge_run *run = &merge.runs[a->run - (run_count - merge.count)];
	size_t first = run->originals[0].iov_len - a->header, total = a->header;
	uint8_t differs[2 * MAX_HEADER] = {0};

	if (!a->is_fit || !b->is_fit || a->header != b->header || a->peer != b->peer)
		return false;
	for (size_t i = 0; i < a->header; i++)
		differs[i] = p[i] ^ q[i];
	memset(differs + (is_ipv4 ? 2 : 4), 0, 2);
	if (is_ipv4) {
		if ((slow_u16(p + 4) + 1) % 65536 != slow_u16(q + 4))
			return false;
		memset(differs + 4, 0, 2);
		memset(differs + 10, 0, 2);
	}
	if (p[is_ipv4 ? 9 : 6] == TCP) {
		if (read_be32(p + ip + 4) + (uint32_t)(a->length - a->header) !=
		    read_be32(q + ip + 4))
			return false;
		if (p[ip + 13] & PSH)
			return false;
		memset(differs + ip + 4, 0, 4);
		differs[ip + 13] &= (uint8_t)~PSH;
		memset(differs + ip + 16, 0, 2);
	} else {
		memset(differs + ip + 4, 0, 4);
	}
	for (size_t i = 0; i < a->header; i++)
		if (differs[i] != 0)
			return false;
	for (size_t i = 0; i <= a->place; i++)
		total += run->originals[i].iov_len - a->header;
	return a->length - a->header == first && b->length - b->header <= first &&
	       a->place + 1 < MERGE_MAX_PACKETS && total + b->length - b->header <= 65535;
}

NOT_TRACED static struct packet *packet_at(const void *bytes)
{
	for (size_t i = 0; i < packet_count; i++)
		if (packets[i].bytes == bytes)
			return &packets[i];
	BROKEN("an original is a packet that was added");
}

/* Writes the packet that the run has become to `out`. Returns its length. */
NOT_TRACED static size_t join(uint8_t *out, const struct merge_run *run)
{
	size_t bytes = 0;

	MUST(run->iov_count >= 2 && run->iov_count <= 2 + MERGE_MAX_PACKETS);
	MUST(run->iov[0].iov_base == &run->vnet && run->iov[0].iov_len == 10);
	for (size_t i = 1; i < run->iov_count; i++) {
		MUST(bytes + run->iov[i].iov_len <= 65535 + 40);
		memcpy(out + bytes, run->iov[i].iov_base, run->iov[i].iov_len);
		bytes += run->iov[i].iov_len;
	}
	return bytes;
}

/* A run of several tells the kernel how to cut it, and has the checksum that it goes on from. */
static void check_vnet(const struct merge_run *run, const uint8_t *joined,
		       const struct slow_layout *layout)
{
	unsigned tcp_type = layout->is_ipv4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	size_t checksum_at = layout->protocol == TCP ? 16 : 6, upper = layout->total - layout->ip;
	uint64_t sum = slow_pseudo_sum(joined, layout->protocol, upper);
	const struct virtio_net_hdr *vnet = &run->vnet;

	MUST(vnet->flags == VIRTIO_NET_HDR_F_NEEDS_CSUM && vnet->hdr_len == layout->header);
	MUST(vnet->gso_type == (layout->protocol == TCP ? tcp_type : VIRTIO_NET_HDR_GSO_UDP_L4));
	MUST(vnet->csum_start == layout->ip && vnet->csum_offset == checksum_at);
	MUST(slow_u16(joined + layout->ip + checksum_at) % 0xffff == sum % 0xffff);
	MUST(layout->protocol == TCP || slow_u16(joined + layout->ip + 4) == upper);
	MUST((layout->total - layout->header + vnet->gso_size - 1) / vnet->gso_size ==
	     run->packets);
}

NOT_TRACED static void check_run(const struct merge_run *run)
{
	static uint8_t joined[MAX_HEADER + 65536], out[MAX_HEADER + 65536];
	static const struct virtio_net_hdr none;
	size_t bytes = join(joined, run), sum = 0;
	struct slow_layout layout;
	struct inner inner;

	MUST(run->packets >= 1 && run->packets <= MERGE_MAX_PACKETS);
	MUST(inner_parse(&inner, joined, bytes) == INNER_FAULT_NONE && inner.total_bytes == bytes);
	layout = slow_layout_of(joined, bytes);
	if (run->packets > 1)
		check_vnet(run, joined, &layout);
	else
		MUST(memcmp(&run->vnet, &none, sizeof(none)) == 0);
	for (size_t i = 0; i < run->packets; i++) {
		struct packet *packet = packet_at(run->originals[i].iov_base);
		const uint8_t *again = run->packets > 1 ? out : joined;

		if (run->packets > 1)
			bytes = slow_segment(out, joined, &layout, run->vnet.gso_size, i,
					     i + 1 == run->packets);
		MUST(packet->run == SIZE_MAX && run->originals[i].iov_len == packet->length);
		MUST(bytes == packet->length && run->peer == packet->peer);
		MUST(memcmp(again, packet->before, bytes) == 0);
		packet->run = run_count;
		packet->place = i;
		sum += packet->length;
	}
	MUST(sum == run->bytes);
	run_count++;
}

NOT_TRACED static void check_batch(size_t from)
{
	merge_finish(&merge);
	for (size_t i = 0; i < merge.count; i++)
		check_run(&merge.runs[i]);
	for (size_t i = from; i < packet_count; i++) {
		struct packet *packet = &packets[i];
		bool is_joined;

		MUST(packet->run != SIZE_MAX);
		MUST(memcmp(packet->bytes, packet->before, packet->length) == 0);
		if (i == from)
			continue;
		is_joined = packet->run == packet[-1].run && packet->place == packet[-1].place + 1;
		MUST(is_joined == must_join(packet - 1, packet));
	}
}

/*
 * Of two packets between the same hosts, the order is kept when they are of one flow, or one of
 * them does not say of which. It is enough to look at the newest before each that this is about.
 */
NOT_TRACED static void check_order(void)
{
	for (size_t i = 1; i < packet_count; i++) {
		const struct packet *b = &packets[i];

		for (size_t j = i; j-- > 0;) {
			const struct packet *a = &packets[j];

			if (a->has_ports && b->has_ports && a->hash != b->hash)
				continue;
			if (!are_between_same(a, b))
				continue;
			MUST(a->run < b->run || (a->run == b->run && a->place < b->place));
			if (a->hash == b->hash)
				break;
		}
	}
}

/* Builds the next packet of a flow in packets[packet_count]; false when it is not a whole one. */
NOT_TRACED static bool build(const struct operation *operation, struct inner *inner)
{
	struct packet *packet = &packets[packet_count];
	struct flow *flow = &flows[FLOW(operation->what)];

	packet->bytes = arena_take(&arena, flow->header_bytes + operation->payload);
	packet->length = build_packet(packet->bytes, flow, operation, packet_count, inner);
	if (packet->length == 0)
		return false;
	packet->before = arena_copy(&arena, packet->bytes, packet->length);
	packet->peer = operation->what & MUTATES && operation->change == 0 ? 2 : 1;
	describe(packet);
	return true;
}

/* Returns where the batch that is not written yet begins. */
static size_t add(const struct inner *inner, size_t from)
{
	struct packet *packet = &packets[packet_count];
	unsigned allowed = merge.allowed;

	if (!merge_add(&merge, packet->bytes, inner, packet->peer)) {
		MUST(merge.count == MERGE_MAX_RUNS);
		check_batch(from);
		from = packet_count;
		merge_reset(&merge, allowed);
		MUST(merge_add(&merge, packet->bytes, inner, packet->peer));
	}
	packet_count++;
	return from;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input input = {data, bytes};
	uint32_t hash = hash_of(data, bytes);
	bool is_burst = hash % BURST_ONE_IN == 0;
	size_t from = 0;
	struct inner inner;

	arena_reset(&arena);
	memcpy(flows, templates, sizeof(flows));
	packet_count = run_count = 0;
	merge_reset(&merge, take_u8(&input) & (MERGE_TCP | MERGE_UDP));
	while (input.left > 0) {
		struct operation operation = take_operation(&input);
		size_t repeats = is_burst ? BURST_PACKETS : 1;

		if (is_burst)
			operation.payload =
			    operation.payload * BURST_FACTOR + hash / BURST_ONE_IN % BURST_FACTOR;
		for (size_t i = 0; i < repeats && packet_count < MAX_PACKETS; i++)
			if (build(&operation, &inner))
				from = add(&inner, from);
	}
	check_batch(from);
	check_order();
	return 0;
}
