/* Sends a second thread into the network namespace of a path, says so, and waits; the first one
 * stays at home. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
	for (;;)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t visitor;
	if (argc != 2 || pthread_create(&visitor, NULL, enter, argv[1]) != 0)
		return 1;
	pthread_join(visitor, NULL);
	return 0;
}
