/*
 * Sends forged datagrams to a node, as many as asked for, and prints how many the kernel took:
 *
 *   forged-datagrams SOURCE TARGET PORT COUNT SEED OWN VICTIM THIRD
 *
 * SOURCE is an address of this host; OWN, VICTIM and THIRD are the first addresses of /24 subnets
 * of the overlay: of the node at SOURCE (whichever it is), of the node at TARGET, and of a third
 * one. Every kind of packet that a node must refuse from a peer takes its turn; with COUNT 0 it
 * sends right packets of 64 bytes until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define PACKET_BYTES 200
#define KINDS 12

struct ends {
	uint32_t own, victim, third;
};

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

static void mend_checksum(uint8_t *packet)
{
	uint32_t sum = 0;

	put16(packet + 10, 0);
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(packet + 10, (uint16_t)~sum);
}

/* A right packet from a pod of the sender's subnet to a pod of the victim's, as bare IP. */
static size_t right_packet(uint8_t *packet, const struct ends *ends, uint64_t random)
{
	size_t bytes = 64;

	memset(packet, 0, PACKET_BYTES);
	packet[0] = 0x45;
	put16(packet + 2, (uint16_t)bytes);
	put16(packet + 4, (uint16_t)random);
	packet[8] = 64;
	packet[9] = IPPROTO_UDP;
	put32(packet + 12, ends->own + 2);
	put32(packet + 16, ends->victim + 2);
	put16(packet + 20, 4000);
	put16(packet + 22, 4001);
	put16(packet + 24, (uint16_t)(bytes - 20));
	mend_checksum(packet);
	return bytes;
}

static uint32_t martian(uint64_t random)
{
	static const uint32_t addresses[] = {0,		 0x7f000001, 0xa9fe0001,
					     0xe0000001, 0xf0000001, 0xffffffff};

	return addresses[random % 6];
}

/* A packet that the node at TARGET must refuse although it comes from a peer. */
static size_t forged_packet(uint8_t *packet, const struct ends *ends, uint64_t kind, uint64_t *seed)
{
	uint64_t random = next_random(seed);
	size_t bytes = right_packet(packet, ends, random);

	switch (kind) {
	case 0: /* bytes without sense, of a version that is not 4 */
		for (size_t i = 0; i < PACKET_BYTES; i++)
			packet[i] = (uint8_t)next_random(seed);
		packet[0] = (uint8_t)(packet[0] | 0x80);
		return 1 + random % PACKET_BYTES;
	case 1: /* from a pod of a third node */
		put32(packet + 12, ends->third + (uint32_t)(random % 256));
		break;
	case 2: /* from a pod of the victim's own */
		put32(packet + 12, ends->victim + (uint32_t)(random % 256));
		break;
	case 3: /* from outside the overlay */
		put32(packet + 12, 0xcb007100u + (uint32_t)(random % 256)); /* 203.0.113.0/24 */
		break;
	case 4:
		put32(packet + 12, martian(random));
		break;
	case 5:
		put32(packet + 16, martian(random));
		break;
	case 6: /* for somebody else: no relay */
		put32(packet + 16, ends->third + (uint32_t)(random % 256));
		break;
	case 7: /* for the node's own loopback of the underlay, or anything out there */
		put32(packet + 16, (uint32_t)random | 0x80000000u);
		break;
	case 8: /* its time is up */
		packet[8] = (uint8_t)(random % 2);
		break;
	case 9: /* one bit of the checksum */
		packet[10 + random % 2] ^= (uint8_t)(1u << (random >> 8) % 8);
		return bytes;
	case 10: /* longer than it is, or with a header longer or shorter than can be */
		if (random % 2 == 0)
			put16(packet + 2, (uint16_t)(bytes + 1 + random % 1000));
		else
			packet[0] = (uint8_t)(0x40 | (random >> 8) % 5);
		break;
	default: /* IPv6 */
		packet[0] = 0x60;
		return bytes;
	}
	mend_checksum(packet);
	return bytes;
}

static uint32_t address_of(const char *text)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1) {
		fprintf(stderr, "not an IPv4 address: %s\n", text);
		exit(2);
	}
	return ntohl(address.s_addr);
}

int main(int argc, char **argv)
{
	static uint8_t packets[BATCH][PACKET_BYTES];
	struct iovec iov[BATCH];
	struct mmsghdr messages[BATCH] = {0};
	struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
	unsigned long long count, sent = 0, kind = 0;
	struct ends ends;
	uint64_t seed;
	int fd;

	if (argc != 9)
		return 2;
	from.sin_addr.s_addr = htonl(address_of(argv[1]));
	to.sin_addr.s_addr = htonl(address_of(argv[2]));
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	count = strtoull(argv[4], NULL, 10);
	seed = strtoull(argv[5], NULL, 10);
	ends = (struct ends){address_of(argv[6]), address_of(argv[7]), address_of(argv[8])};
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("socket");
		return 1;
	}
	while (count == 0 || sent < count) {
		int done;
		unsigned wanted = 0;

		for (; wanted < BATCH && (count == 0 || sent + wanted < count); wanted++) {
			size_t bytes = count == 0 ? right_packet(packets[wanted], &ends, sent)
						  : forged_packet(packets[wanted], &ends,
								  kind++ % KINDS, &seed);

			iov[wanted] = (struct iovec){packets[wanted], bytes};
			messages[wanted].msg_hdr =
			    (struct msghdr){.msg_iov = &iov[wanted], .msg_iovlen = 1};
		}
		done = sendmmsg(fd, messages, wanted, 0);
		if (done < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED) {
			perror("sendmmsg");
			return 1;
		}
		if (done > 0)
			sent += (unsigned)done;
		if (count != 0)
			sched_yield(); /* to let the receiver keep up: what it cannot queue is not
					  checked */
	}
	printf("%llu\n", sent);
	return 0;
}
