/*
 * Test programs of plain C: `program NAME` runs one case and exits with 0 when it holds, and
 * without NAME the program lists its cases. They need no root. Memory that C writes to is
 * allocated to the byte, so that the address sanitizer sees one too many.
 */
#ifndef TWILL_C_TEST_H
#define TWILL_C_TEST_H

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*run)(void);
};

#define CASE(function)              \
	{                           \
#function, function \
	}

/* Says what was found and ends the process: a case is over at its first wrong value. */
#define EXPECT(actual, wanted) expect(__LINE__, #actual, (long)(actual), (long)(wanted))

static inline void expect(int line, const char *text, long actual, long wanted)
{
	if (actual == wanted)
		return;
	fprintf(stderr, "line %d: %s is %ld, wanted %ld\n", line, text, actual, wanted);
	exit(1);
}

static inline void expect_plain_fd(int fd)
{
	EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	EXPECT(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

static inline int run_cases(const struct test_case *cases, size_t count, int argc, char **argv)
{
	for (size_t i = 0; i < count; i++) {
		if (argc < 2) {
			puts(cases[i].name);
		} else if (strcmp(argv[1], cases[i].name) == 0) {
			cases[i].run();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}

#define RUN_CASES(cases, argc, argv) \
	run_cases(cases, sizeof(cases) / sizeof((cases)[0]), argc, argv)

#endif
