/* What the kernel does with the programs of native/engine/stranger_filter.c, on loopback. */
#include "engine/stranger_filter.h"

#include "c-test.h"
#include "classic-bpf.h"
#include "random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUES 3
#define FLOWS 32 /* of each peer */
#define GROUP_ADDRESS 0x7f000001
#define SEED 20240302

static const uint32_t peers[] = {0x7f000002, 0x7f000009, 0x7f000703};
static const uint32_t strangers[] = {0x7f000001, 0x7f000003, 0x7f000008, 0x7f00000a, 0x7f000704};
#define PEERS (sizeof(peers) / sizeof(*peers))
#define STRANGERS (sizeof(strangers) / sizeof(*strangers))

static void set_on(int fd, int name)
{
	int on = 1;

	EXPECT(setsockopt(fd, SOL_SOCKET, name, &on, sizeof(on)), 0);
}

static struct sockaddr_in bind_to(int fd, uint32_t address, uint16_t port)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t size = sizeof(local);

	local.sin_addr.s_addr = htonl(address);
	EXPECT(bind(fd, (struct sockaddr *)&local, size), 0);
	EXPECT(getsockname(fd, (struct sockaddr *)&local, &size), 0);
	return local;
}

static int open_udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	EXPECT(fd >= 0, 1);
	return fd;
}

static int attach(int fd, int option, struct sock_filter *program, size_t length)
{
	struct sock_fprog whole = {(unsigned short)length, program};

	return setsockopt(fd, SOL_SOCKET, option, &whole, sizeof(whole)) < 0 ? -errno : 0;
}

/* The queues, and the stranger socket as the last one. */
struct group {
	int fds[QUEUES + 1];
	struct sockaddr_in address;
	struct sock_filter program[64];
};

/* As an engine does it: the first bind is exclusive, and only then the others may join. */
static void open_group(struct group *group)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct address_range ranges[PEERS];
	size_t length =
	    stranger_filter_write(group->program, 64, peers, PEERS, ranges, QUEUES, QUEUES);

	group->fds[0] = open_udp();
	group->address = bind_to(group->fds[0], GROUP_ADDRESS, 0);
	set_on(group->fds[0], SO_REUSEPORT);
	for (size_t i = 1; i <= QUEUES; i++) {
		group->fds[i] = open_udp();
		set_on(group->fds[i], SO_REUSEPORT);
		bind_to(group->fds[i], GROUP_ADDRESS, ntohs(group->address.sin_port));
	}
	EXPECT(attach(group->fds[QUEUES], SO_ATTACH_FILTER, &drop, 1), 0);
	EXPECT(attach(group->fds[0], SO_ATTACH_REUSEPORT_CBPF, group->program, length), 0);
}

static void close_group(const struct group *group)
{
	for (size_t i = 0; i <= QUEUES; i++)
		EXPECT(close(group->fds[i]), 0);
}

static void send_from(int fd, const struct group *group)
{
	const struct sockaddr *to = (const struct sockaddr *)&group->address;

	EXPECT(sendto(fd, "packet", 6, 0, to, sizeof(group->address)), 6);
}

/* Waits for a datagram in any queue, and says in which one and whom it came from. */
static size_t receive(const struct group *group, struct sockaddr_in *from)
{
	struct pollfd ready[QUEUES];
	socklen_t size = sizeof(*from);
	char data[16];
	size_t i = 0;

	for (size_t j = 0; j < QUEUES; j++)
		ready[j] = (struct pollfd){.fd = group->fds[j], .events = POLLIN};
	EXPECT(poll(ready, QUEUES, 10000) > 0, 1);
	while (ready[i].revents == 0)
		i++;
	EXPECT(recvfrom(group->fds[i], data, sizeof(data), 0, (struct sockaddr *)from, &size), 6);
	return i;
}

static uint32_t drops_of(int fd)
{
	uint32_t values[SK_MEMINFO_VARS];
	socklen_t size = sizeof(values);

	EXPECT(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &size), 0);
	return values[SK_MEMINFO_DROPS];
}

/* Loopback keeps the order of what one CPU sends: what comes last comes after all the rest. */
static void stay_on_this_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	EXPECT(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* Every flow sends twice, the second time with IP options in front of the UDP header. */
static void peers_reach_the_queue_of_their_flow(void)
{
	const uint8_t options[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}; /* no operation; end */
	size_t hits[QUEUES] = {0};
	struct group group;

	open_group(&group);
	for (size_t i = 0; i < PEERS * FLOWS; i++) {
		struct sockaddr_in from;
		int fd = open_udp();

		bind_to(fd, peers[i % PEERS], 0);
		for (uint8_t words = 5; words <= 8; words += 3) {
			size_t queue;

			send_from(fd, &group);
			queue = receive(&group, &from);
			EXPECT(ntohl(from.sin_addr.s_addr), peers[i % PEERS]);
			EXPECT(queue, run_on_udp(group.program, peers[i % PEERS],
						 ntohs(from.sin_port), words));
			hits[queue]++;
			EXPECT(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, options, sizeof(options)), 0);
		}
		EXPECT(close(fd), 0);
	}
	for (size_t i = 0; i < QUEUES; i++)
		EXPECT(hits[i] > PEERS * FLOWS / QUEUES / 2, 1);
	EXPECT(drops_of(group.fds[QUEUES]), 0);
	close_group(&group);
}

static void strangers_are_dropped_and_counted_exactly(void)
{
	int senders[STRANGERS], last = open_udp();
	struct sockaddr_in from;
	struct group group;

	stay_on_this_cpu();
	open_group(&group);
	bind_to(last, peers[0], 0);
	for (size_t i = 0; i < STRANGERS; i++) {
		senders[i] = open_udp();
		bind_to(senders[i], strangers[i], 0);
	}
	for (size_t i = 0; i < 200 * STRANGERS; i++)
		send_from(senders[i % STRANGERS], &group);
	send_from(last, &group);
	receive(&group, &from);
	EXPECT(ntohl(from.sin_addr.s_addr), peers[0]);
	EXPECT(drops_of(group.fds[QUEUES]), 200 * STRANGERS);
	for (size_t i = 0; i < QUEUES; i++) {
		EXPECT(recv(group.fds[i], &from, sizeof(from), 0), -1); /* nothing came but that */
		EXPECT(drops_of(group.fds[i]), 0);
	}
	for (size_t i = 0; i < STRANGERS; i++)
		EXPECT(close(senders[i]), 0);
	EXPECT(close(last), 0);
	close_group(&group);
}

/* A host may allow programs less memory than the longest one needs (net.core.optmem_max). */
static void longest_program_is_taken_or_refused_with_enomem(void)
{
	struct sock_filter *program = malloc(STRANGER_FILTER_MAX_INSTRUCTIONS * sizeof(*program));
	uint32_t *addresses = malloc(5000 * sizeof(*addresses));
	struct address_range *ranges = malloc(5000 * sizeof(*ranges));
	uint64_t random = SEED;
	int fd = open_udp(), ret = -ENOMEM;

	set_on(fd, SO_REUSEPORT);
	for (uint32_t i = 0; i < 5000; i++)
		addresses[i] = 0x80000000 + i * 4096 + (uint32_t)below(&random, 4096);
	for (size_t room = STRANGER_FILTER_MAX_INSTRUCTIONS; ret == -ENOMEM && room >= 512;
	     room /= 2) {
		size_t length = stranger_filter_write(program, room, addresses, 5000, ranges, 4, 4);

		ret = attach(fd, SO_ATTACH_REUSEPORT_CBPF, program, length);
	}
	EXPECT(ret, 0); /* 512 fit everywhere */
	EXPECT(close(fd), 0);
	free(ranges);
	free(addresses);
	free(program);
}

static const struct test_case cases[] = {
    CASE(peers_reach_the_queue_of_their_flow),
    CASE(strangers_are_dropped_and_counted_exactly),
    CASE(longest_program_is_taken_or_refused_with_enomem),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
