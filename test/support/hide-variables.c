/*
 * A process that shows neither arguments nor variables in /proc, as any process may, and waits:
 * what the kernel shows too of one that is in the midst of execve(2). See prctl(2), PR_SET_MM_MAP.
 */
#include <linux/prctl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FIRST_FIELD 3 /* after the name in brackets */
#define FIELDS 52

int main(void)
{
	char text[4096];
	unsigned long long field[FIELDS] = {0};
	FILE *file = fopen("/proc/self/stat", "r");

	if (file == NULL || fgets(text, sizeof(text), file) == NULL)
		return 1;
	char *word = strtok(strrchr(text, ')') + 1, " ");
	for (int i = FIRST_FIELD; i < FIELDS && word != NULL; i++, word = strtok(NULL, " "))
		sscanf(word, "%llu", &field[i]);

	struct prctl_mm_map map = {
	    .start_code = field[26],
	    .end_code = field[27],
	    .start_stack = field[28],
	    .start_data = field[45],
	    .end_data = field[46],
	    .start_brk = field[47],
	    .brk = (uintptr_t)sbrk(0),
	    .arg_start = field[48],
	    .arg_end = field[48],
	    .env_start = field[50],
	    .env_end = field[50],
	    .exe_fd = (uint32_t)-1,
	};
	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) != 0) {
		perror("prctl");
		return 1;
	}
	puts("hidden");
	fflush(stdout);
	pause();
	return 0;
}
