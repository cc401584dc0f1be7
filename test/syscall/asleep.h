/* Waiting until another sleeps, instead of supposing so after a while. See proc_pid_stat(5). */
#ifndef ASLEEP_H
#define ASLEEP_H
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Returns when the process or thread sleeps, as far as /proc tells, or is gone; after 10 s at the latest. */
static void asleep(pid_t pid)
{
	char path[40], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	for (int i = 0; i < 10000; i++) {
		FILE *f = fopen(path, "r");
		if (!f) return;
		text[fread(text, 1, sizeof text - 1, f)] = 0;
		fclose(f);
		char *state = strrchr(text, ')');
		if (state && state[2] == 'S') return;
		usleep(1000);
	}
}
#endif
