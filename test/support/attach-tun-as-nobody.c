/*
 * Attaches to the TUN of its argument as a local user without capabilities. Prints the errno,
 * or 0 when the kernel let it in. The device node is opened first: the one of this host may be
 * root's alone, while udev gives it to everybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NOBODY 65534

int main(int argc, char **argv)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (argc != 2 || strlen(argv[1]) >= sizeof(ifr.ifr_name) || fd < 0)
		return 2;
	memcpy(ifr.ifr_name, argv[1], strlen(argv[1]));
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0)
		return 2;
	if (setresuid(NOBODY, NOBODY, NOBODY) < 0) /* all capabilities go with it */
		return 2;
	printf("%d\n", ioctl(fd, TUNSETIFF, &ifr) < 0 ? errno : 0);
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0; /* the leak check at exit traces us */
}
