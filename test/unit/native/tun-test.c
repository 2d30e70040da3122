/* Facts about native/os/tun.c that need no root; test/netns/tun.test.ts has the others. */
#include "os/tun.h"

#include "c-test.h"

#include <errno.h>

static void tun_open_refuses_names_the_kernel_would_change(void)
{
	EXPECT(tun_open(""), -EINVAL);
	EXPECT(tun_open("tun%d"), -EINVAL);
	EXPECT(tun_open("sixteen-letters-"), -EINVAL);
	EXPECT(tun_set_persistent(-1, true), -EBADF);
}

static const struct test_case cases[] = {
    CASE(tun_open_refuses_names_the_kernel_would_change),
};

int main(int argc, char **argv)
{
	return RUN_CASES(cases, argc, argv);
}
