/*
 * fsync(2) of a disk that does not answer while the file that SLOW_DISK names is there. Loaded
 * before the C library (LD_PRELOAD).
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POLL_US 10000

int fsync(int fd)
{
	const char *slow = getenv("SLOW_DISK");

	while (slow != NULL && access(slow, F_OK) == 0)
		usleep(POLL_US);
	return (int)syscall(SYS_fsync, fd);
}
