/* The first program of a disc: says what it stands on, and switches off. */
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>

int main(void)
{
	char line[4096];
	FILE *f = fopen("/proc/mounts", "r");
	while (f && fgets(line, sizeof line, f)) if (strstr(line, " / ")) fputs(line, stdout);
	f = fopen("/etc/a file with a long name", "r");
	if (f && fgets(line, sizeof line, f)) fputs(line, stdout);
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
