/*
 * Binds the Unix datagram socket of its argument, a path or '@' and an abstract name, prints
 * "bound", and then each datagram on a line of its own until it is killed. Node.js has no such
 * socket.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	size_t len = argc == 2 ? strlen(argv[1]) : 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char datagram[4096];

	if (len == 0 || len >= sizeof(local.sun_path))
		return 2;
	memcpy(local.sun_path, argv[1], len);
	if (argv[1][0] == '@')
		local.sun_path[0] = '\0';
	if (bind(fd, (struct sockaddr *)&local,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return 1;
	puts("bound");
	fflush(stdout);
	for (;;) {
		ssize_t n = recv(fd, datagram, sizeof(datagram), 0);

		if (n < 0)
			return 1;
		printf("%.*s\n", (int)n, datagram);
		fflush(stdout);
	}
}
