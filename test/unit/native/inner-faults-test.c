/* What native/packet/inner.c finds wrong with a packet, at each edge. */
#include "packet/inner.h"

#include "c-test.h"
#include "inner-packets.h"
#include "inner-twin.h"

/* A valid packet with one field changed, of which `bytes` bytes are given. */
struct changed {
	const char *name;
	size_t total_bytes, bytes, at, count;
	uint64_t value;
	enum inner_fault fault;
};

static void expect_faults(const struct changed *cases, size_t count, uint8_t *(*make)(size_t),
			  void (*seal)(uint8_t *))
{
	for (size_t i = 0; i < count; i++) {
		size_t room =
		    cases[i].bytes > cases[i].total_bytes ? cases[i].bytes : cases[i].total_bytes;
		uint8_t *packet = make(cases[i].total_bytes);
		struct inner inner;

		packet = realloc(packet, room);
		memset(packet + cases[i].total_bytes, 0, room - cases[i].total_bytes);
		set_field(packet, cases[i].at, cases[i].count, cases[i].value);
		seal(packet);
		expect(__LINE__, cases[i].name, (long)parse(&inner, packet, cases[i].bytes),
		       cases[i].fault);
		free(packet);
	}
}

static uint8_t *make_ipv4(size_t total_bytes)
{
	return new_ipv4(20, total_bytes);
}

static void do_not_seal(uint8_t *packet)
{
	(void)packet;
}

static const struct changed ipv4_cases[] = {
    {"nothing", 20, 0, 0, 0, 0, INNER_FAULT_SHORT},
    {"one byte", 20, 1, 0, 0, 0, INNER_FAULT_SHORT},
    {"19 bytes", 20, 19, 0, 0, 0, INNER_FAULT_SHORT},
    {"19 bytes of another version", 20, 19, 0, 4, 5, INNER_FAULT_SHORT},
    {"a header alone", 20, 20, 0, 0, 0, INNER_FAULT_NONE},
    {"padding", 20, 46, 0, 0, 0, INNER_FAULT_NONE},
    {"version 0", 64, 64, 0, 4, 0, INNER_FAULT_VERSION},
    {"version 3", 64, 64, 0, 4, 3, INNER_FAULT_VERSION},
    {"version 5", 64, 64, 0, 4, 5, INNER_FAULT_VERSION},
    {"version 7", 64, 64, 0, 4, 7, INNER_FAULT_VERSION},
    {"version 15", 64, 64, 0, 4, 15, INNER_FAULT_VERSION},
    {"header of 0 bytes", 64, 64, 4, 4, 0, INNER_FAULT_HEADER_LENGTH},
    {"header of 16 bytes", 64, 64, 4, 4, 4, INNER_FAULT_HEADER_LENGTH},
    {"header of 24 bytes", 64, 64, 4, 4, 6, INNER_FAULT_NONE},
    {"header of 60 bytes", 64, 64, 4, 4, 15, INNER_FAULT_NONE},
    {"header as long as the packet", 60, 60, 4, 4, 15, INNER_FAULT_NONE},
    {"header of one byte more", 60, 59, 4, 4, 15, INNER_FAULT_HEADER_LENGTH},
    {"total length 0", 64, 64, 16, 16, 0, INNER_FAULT_TOTAL_LENGTH},
    {"total length below the header", 64, 64, 16, 16, 19, INNER_FAULT_TOTAL_LENGTH},
    {"total length of the header", 64, 64, 16, 16, 20, INNER_FAULT_NONE},
    {"one byte missing", 64, 63, 0, 0, 0, INNER_FAULT_TOTAL_LENGTH},
    {"total length one more", 64, 64, 16, 16, 65, INNER_FAULT_TOTAL_LENGTH},
    {"65,535 bytes", 65535, 65535, 0, 0, 0, INNER_FAULT_NONE},
    {"65,535 bytes and padding", 65535, 65575, 0, 0, 0, INNER_FAULT_NONE},
    {"first address of 0/8", 64, 64, IPV4_SOURCE, 32, 0x00000000, INNER_FAULT_MARTIAN},
    {"last address of 0/8", 64, 64, IPV4_SOURCE, 32, 0x00ffffff, INNER_FAULT_MARTIAN},
    {"after 0/8", 64, 64, IPV4_SOURCE, 32, 0x01000000, INNER_FAULT_NONE},
    {"before 127/8", 64, 64, IPV4_SOURCE, 32, 0x7effffff, INNER_FAULT_NONE},
    {"first address of 127/8", 64, 64, IPV4_SOURCE, 32, 0x7f000000, INNER_FAULT_MARTIAN},
    {"last address of 127/8", 64, 64, IPV4_SOURCE, 32, 0x7fffffff, INNER_FAULT_MARTIAN},
    {"after 127/8", 64, 64, IPV4_SOURCE, 32, 0x80000000, INNER_FAULT_NONE},
    {"before 169.254/16", 64, 64, IPV4_SOURCE, 32, 0xa9fdffff, INNER_FAULT_NONE},
    {"first address of 169.254/16", 64, 64, IPV4_SOURCE, 32, 0xa9fe0000, INNER_FAULT_MARTIAN},
    {"last address of 169.254/16", 64, 64, IPV4_SOURCE, 32, 0xa9feffff, INNER_FAULT_MARTIAN},
    {"after 169.254/16", 64, 64, IPV4_SOURCE, 32, 0xa9ff0000, INNER_FAULT_NONE},
    {"before 224/4", 64, 64, IPV4_DESTINATION, 32, 0xdfffffff, INNER_FAULT_NONE},
    {"first address of 224/4", 64, 64, IPV4_DESTINATION, 32, 0xe0000000, INNER_FAULT_MARTIAN},
    {"first address of 240/4", 64, 64, IPV4_DESTINATION, 32, 0xf0000000, INNER_FAULT_MARTIAN},
    {"broadcast", 64, 64, IPV4_DESTINATION, 32, 0xffffffff, INNER_FAULT_MARTIAN},
};

static void finds_each_fault_of_ipv4_at_its_edge(void)
{
	expect_faults(ipv4_cases, LENGTH(ipv4_cases), make_ipv4, seal_ipv4);
}

static void finds_a_wrong_header_checksum(void)
{
	static const struct changed cases[] = {
	    {"checksum 0", 64, 64, IPV4_CHECKSUM, 16, 0, INNER_FAULT_CHECKSUM},
	    {"checksum all ones", 64, 64, IPV4_CHECKSUM, 16, 0xffff, INNER_FAULT_CHECKSUM},
	    {"and total length", 64, 64, 16, 16, 65, INNER_FAULT_TOTAL_LENGTH},
	    {"and a martian", 64, 64, IPV4_SOURCE, 8, 127, INNER_FAULT_CHECKSUM},
	};

	expect_faults(cases, LENGTH(cases), make_ipv4, do_not_seal);
}

#define FE80 0xfe80000000000000
#define FEC0 0xfec0000000000000
#define FF00 0xff00000000000000
#define LOW(at) ((at) + 64)

static const struct changed ipv6_cases[] = {
    {"19 bytes", 48, 19, 0, 0, 0, INNER_FAULT_SHORT},
    {"20 bytes", 48, 20, 0, 0, 0, INNER_FAULT_SHORT},
    {"39 bytes", 48, 39, 0, 0, 0, INNER_FAULT_SHORT},
    {"a header alone", 48, 40, 0, 0, 0, INNER_FAULT_TOTAL_LENGTH},
    {"payload length 0", 48, 48, 32, 16, 0, INNER_FAULT_TOTAL_LENGTH},
    {"payload length 1", 41, 41, 32, 16, 1, INNER_FAULT_NONE},
    {"padding", 41, 60, 32, 16, 1, INNER_FAULT_NONE},
    {"one byte missing", 48, 47, 0, 0, 0, INNER_FAULT_TOTAL_LENGTH},
    {"payload length one more", 48, 48, 32, 16, 9, INNER_FAULT_TOTAL_LENGTH},
    {"65,575 bytes", 65575, 65575, 0, 0, 0, INNER_FAULT_NONE},
    {"no hops left", 48, 48, 56, 8, 0, INNER_FAULT_NONE},
    {"before fe80::/10", 48, 48, IPV6_SOURCE, 64, FE80 - 1, INNER_FAULT_NONE},
    {"first of fe80::/10", 48, 48, IPV6_SOURCE, 64, FE80, INNER_FAULT_MARTIAN},
    {"last of fe80::/10", 48, 48, IPV6_DESTINATION, 64, FEC0 - 1, INNER_FAULT_MARTIAN},
    {"after fe80::/10", 48, 48, IPV6_SOURCE, 64, FEC0, INNER_FAULT_NONE},
    {"before ff00::/8", 48, 48, IPV6_SOURCE, 64, FF00 - 1, INNER_FAULT_NONE},
    {"first of ff00::/8", 48, 48, IPV6_DESTINATION, 64, FF00, INNER_FAULT_MARTIAN},
    {"last of ff00::/8", 48, 48, IPV6_SOURCE, 64, UINT64_MAX, INNER_FAULT_MARTIAN},
};
/* The upper halves of both addresses are zero. */
static const struct changed ipv6_low_cases[] = {
    {"::", 48, 48, LOW(IPV6_SOURCE), 64, 0, INNER_FAULT_MARTIAN},
    {"::1", 48, 48, LOW(IPV6_SOURCE), 64, 1, INNER_FAULT_MARTIAN},
    {"::2", 48, 48, LOW(IPV6_SOURCE), 64, 2, INNER_FAULT_NONE},
    {"before ::ffff:0:0/96", 48, 48, LOW(IPV6_SOURCE), 64, 0xfffeffffffff, INNER_FAULT_NONE},
    {"first of it", 48, 48, LOW(IPV6_SOURCE), 64, 0xffff00000000, INNER_FAULT_MARTIAN},
    {"last of it", 48, 48, LOW(IPV6_SOURCE), 64, 0xffffffffffff, INNER_FAULT_MARTIAN},
    {"after it", 48, 48, LOW(IPV6_SOURCE), 64, 0x1000000000000, INNER_FAULT_NONE},
    {"to ::1", 48, 48, LOW(IPV6_DESTINATION), 64, 1, INNER_FAULT_MARTIAN},
    {"to ::2", 48, 48, LOW(IPV6_DESTINATION), 64, 2, INNER_FAULT_NONE},
};

static uint8_t *make_ipv6_low(size_t total_bytes)
{
	uint8_t *packet = new_ipv6(total_bytes);

	set_field(packet, IPV6_SOURCE, 64, 0);
	set_field(packet, IPV6_DESTINATION, 64, 0);
	return packet;
}

static void finds_each_fault_of_ipv6_at_its_edge(void)
{
	expect_faults(ipv6_cases, LENGTH(ipv6_cases), new_ipv6, do_not_seal);
	expect_faults(ipv6_low_cases, LENGTH(ipv6_low_cases), make_ipv6_low, do_not_seal);
}

static const struct test_case cases[] = {
    CASE(finds_each_fault_of_ipv4_at_its_edge),
    CASE(finds_a_wrong_header_checksum),
    CASE(finds_each_fault_of_ipv6_at_its_edge),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
