/* Facts about native/os/packet_io.c. */
#include "os/packet_io.h"

#include "c-test.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

static void open_pair(int fds[2])
{
	EXPECT(packet_pair(fds), 0);
}

static void close_pair(const int fds[2])
{
	EXPECT(close(fds[0]), 0);
	EXPECT(close(fds[1]), 0);
}

static void pair_is_nonblocking_and_close_on_exec(void)
{
	int fds[2];

	open_pair(fds);
	expect_plain_fd(fds[0]);
	expect_plain_fd(fds[1]);
	close_pair(fds);
}

static void pair_keeps_packet_boundaries(void)
{
	uint8_t out[16];
	int fds[2];

	open_pair(fds);
	EXPECT(packet_write(fds[0], "one", 3), 3);
	EXPECT(packet_write(fds[0], "three", 5), 5);
	EXPECT(packet_read(fds[1], out, sizeof(out)), 3);
	EXPECT(memcmp(out, "one", 3), 0);
	EXPECT(packet_read(fds[1], out, sizeof(out)), 5);
	EXPECT(packet_read(fds[1], out, sizeof(out)), -EAGAIN);
	close_pair(fds);
}

static void read_cuts_a_packet_at_the_size(void)
{
	uint8_t *out = malloc(4);
	int fds[2];

	open_pair(fds);
	EXPECT(packet_write(fds[0], "longer than four", 16), 16);
	EXPECT(packet_read(fds[1], out, 4), 4);
	EXPECT(memcmp(out, "long", 4), 0);
	EXPECT(packet_read(fds[1], out, 4), -EAGAIN); /* the rest is gone */
	free(out);
	close_pair(fds);
}

static void read_tells_a_closed_end(void)
{
	uint8_t out[8];
	int fds[2];

	open_pair(fds);
	EXPECT(packet_write(fds[0], "last", 4), 4);
	EXPECT(close(fds[0]), 0);
	EXPECT(packet_read(fds[1], out, sizeof(out)), 4);
	EXPECT(packet_read(fds[1], out, sizeof(out)), 0);
	EXPECT(close(fds[1]), 0);
	EXPECT(packet_read(fds[1], out, sizeof(out)), -EBADF);
}

static void write_tells_a_full_queue_and_a_closed_end(void)
{
	uint8_t out[4];
	ssize_t n;
	int fds[2];

	open_pair(fds);
	while ((n = packet_write(fds[0], "fill", 4)) == 4)
		continue;
	EXPECT(n, -EAGAIN);
	while ((n = packet_read(fds[1], out, sizeof(out))) == 4)
		continue;
	EXPECT(n, -EAGAIN);
	EXPECT(packet_write(fds[0], "room", 4), 4);
	EXPECT(close(fds[1]), 0);
	signal(SIGPIPE, SIG_IGN);			      /* as Node.js does */
	EXPECT(packet_write(fds[0], "lost", 4), -ECONNRESET); /* "room" was not read */
	EXPECT(packet_write(fds[0], "lost", 4), -EPIPE);
	EXPECT(close(fds[0]), 0);
}

static const struct test_case cases[] = {
    CASE(pair_is_nonblocking_and_close_on_exec),
    CASE(pair_keeps_packet_boundaries),
    CASE(read_cuts_a_packet_at_the_size),
    CASE(read_tells_a_closed_end),
    CASE(write_tells_a_full_queue_and_a_closed_end),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
