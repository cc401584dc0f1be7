/* map_files, timers, sched and the texts about the machine in /proc, against what the process knows. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include "t.h"

static char text[65536];

static int get(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0) return -1;
	int n = 0, r;
	while (n < (int)sizeof text - 1 && (r = read(fd, text + n, sizeof text - 1 - n)) > 0) n += r;
	close(fd);
	text[n] = 0;
	return n;
}

static int has(const char *path, const char *what)
{
	return get(path) >= 0 && strstr(text, what) != NULL;
}

static void mapped(void)
{
	char path[] = "/tmp/mapfilesXXXXXX", link[128], to[256];
	int fd = mkstemp(path);
	CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
	char *at = mmap(0, 8192, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	snprintf(link, sizeof link, "/proc/self/map_files/%lx-%lx", (long)at, (long)at + 8192);
	ssize_t n = readlink(link, to, sizeof to - 1);
	to[n < 0 ? 0 : n] = 0;
	CHECK("a map's link names its file", strcmp(to, path) == 0);
	struct stat st;
	CHECK("its mode says how the file was opened", lstat(link, &st) == 0 && (st.st_mode & 0777) == 0600);
	int found = 0;
	DIR *d = opendir("/proc/self/map_files");
	for (struct dirent *e; d && (e = readdir(d));) found += strcmp(e->d_name, strrchr(link, '/') + 1) == 0;
	if (d) closedir(d);
	CHECK("it is listed", found == 1);
	snprintf(link, sizeof link, "/proc/self/map_files/%lx-%lx", (long)at, (long)at + 4096);
	CHECK_ERRNO("part of a map has none", readlink(link, to, sizeof to), ENOENT);
	munmap(at, 8192);
	snprintf(link, sizeof link, "/proc/self/map_files/%lx-%lx", (long)at, (long)at + 8192);
	CHECK_ERRNO("nor has what is mapped no more", readlink(link, to, sizeof to), ENOENT);
	unlink(path);
	close(fd);
}

static void timers(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	e.sigev_value.sival_ptr = (void *)0x123456789a;
	int one = -1, two = -1;
	CHECK("no timers, no text", get("/proc/self/timers") == 0);
	CHECK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &one) == 0);
	e.sigev_notify = SIGEV_NONE;
	CHECK(syscall(SYS_timer_create, CLOCK_REALTIME, &e, &two) == 0);
	char wanted[256];
	snprintf(wanted, sizeof wanted, "signal: 10/000000123456789a\nnotify: signal/pid.%d\nClockID: 1\n", getpid());
	CHECK("a timer's signal, value, receiver and clock", has("/proc/self/timers", wanted));
	CHECK("of one that tells nobody", has("/proc/self/timers", "notify: none/pid.") &&
	      strstr(text, "ClockID: 0\n"));
	syscall(SYS_timer_delete, one);
	syscall(SYS_timer_delete, two);
	CHECK("and none again", get("/proc/self/timers") == 0);
}

static void *nothing(void *gate)
{
	pthread_mutex_lock(gate);
	pthread_mutex_unlock(gate);
	return NULL;
}

static void scheduling(void)
{
	char wanted[64];
	prctl(PR_SET_NAME, "planned");
	snprintf(wanted, sizeof wanted, "planned (%d, #threads: 1)\n", getpid());
	CHECK("sched begins with who it is", has("/proc/self/sched", wanted) && strstr(text, wanted) == text);
	CHECK("and has a priority", strstr(text, "\nprio   ") && strstr(text, " 120\n"));
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_t t;
	pthread_mutex_lock(&gate);
	pthread_create(&t, NULL, nothing, &gate);
	snprintf(wanted, sizeof wanted, ", #threads: 2)\n");
	CHECK("it counts threads", has("/proc/self/sched", wanted));
	pthread_mutex_unlock(&gate);
	pthread_join(t, NULL);
}

static void machine(void)
{
	unsigned pages = 0, n[11];
	CHECK("buddyinfo has eleven orders", get("/proc/buddyinfo") > 0 && strstr(text, "Node 0, zone "));
	char *line = strstr(text, "Normal");
	CHECK("in columns", line && sscanf(line, "Normal %u %u %u %u %u %u %u %u %u %u %u", n, n + 1, n + 2, n + 3,
	      n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10) == 11);
	for (int i = 0; i < 11; i++) pages += n[i] << i;
	CHECK("there are free pages", pages > 0);
	CHECK("zones have free and managed pages", has("/proc/zoneinfo", "  pages free ") && strstr(text, "managed"));
	CHECK("interrupts begin with the processors", get("/proc/interrupts") > 0 && strstr(text, "CPU0"));
	CHECK("softirqs have ten rows", has("/proc/softirqs", "\n          HI:") || has("/proc/softirqs", "HI:"));
	CHECK("the last is RCU", strstr(text, "        RCU:"));
	CHECK("execution domains", has("/proc/execdomains", "0-0\tLinux           \t[kernel]\n"));
	CHECK("memory is somewhere", has("/proc/iomem", " : System RAM\n"));
	CHECK("there is a console", has("/proc/consoles", " (E"));
	unsigned long sum = 0, total = 0, one;
	CHECK(get("/proc/stat") > 0);
	char *at = strstr(text, "\nintr ");
	CHECK(at != NULL);
	at += 6;
	total = strtoul(at, &at, 10);
	while (*at == ' ') { one = strtoul(at, &at, 10); sum += one; }
	CHECK("of all interrupts each is of some number", *at == '\n' && sum <= total);
}

int main(void)
{
	mapped();
	timers();
	scheduling();
	machine();
	return t_failed != 0;
}
