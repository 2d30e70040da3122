/*
 * Listens on the unix socket of the first argument and becomes the program of the others, with the
 * socket as descriptor 3 and systemd's variables about it (sd_listen_fds(3)): socket activation
 * without systemd.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PASSED_FD 3

int main(int argc, char **argv)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	size_t len = argc > 2 ? strlen(argv[1]) : 0;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char pid[16];

	if (len == 0 || len >= sizeof(local.sun_path))
		return 2;
	memcpy(local.sun_path, argv[1], len);
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 || listen(fd, 16) < 0)
		return 1;
	if (fd != PASSED_FD && dup2(fd, PASSED_FD) < 0)
		return 1;
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (setenv("LISTEN_PID", pid, 1) < 0 || setenv("LISTEN_FDS", "1", 1) < 0)
		return 1;
	execv(argv[2], argv + 2);
	return 1;
}
