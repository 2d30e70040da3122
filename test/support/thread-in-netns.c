/*
 * A process of two threads, one of which goes into the network namespace of a path, says so, and
 * waits: "first" or "second". The other one stays at home.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *stay(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static void *enter(void *path)
{
	int netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0 || setns(netns, CLONE_NEWNET) != 0) {
		perror(path);
		exit(1);
	}
	close(netns);
	puts("there");
	fflush(stdout);
	return stay(NULL);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 1;
	int is_first = strcmp(argv[2], "first") == 0;
	pthread_t second;
	if (pthread_create(&second, NULL, is_first ? stay : enter, argv[1]) != 0)
		return 1;
	(is_first ? enter : stay)(argv[1]);
	return 0;
}
