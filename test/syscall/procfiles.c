/* Less known files of /proc/PID: loginuid, attr, syscall, pagemap, settings. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "t.h"

static char text[8192];

static int slurp(const char *format, ...)
{
	char path[256];
	va_list ap;
	va_start(ap, format);
	vsnprintf(path, sizeof path, format, ap);
	va_end(ap);
	int fd = open(path, O_RDONLY);
	if (fd < 0) return -1;
	int n = read(fd, text, sizeof text - 1);
	int e = errno;
	close(fd);
	errno = e;
	text[n < 0 ? 0 : n] = 0;
	return n;
}

static int put(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0) return -1;
	int n = write(fd, what, strlen(what));
	int e = errno;
	close(fd);
	errno = e;
	return n < 0 ? -1 : 0;
}

static void attributes(void)
{
	static const char *names[] = {"current", "exec", "fscreate", "keycreate", "sockcreate", "prev"};
	DIR *d = opendir("/proc/self/attr");
	int n = 0;
	for (struct dirent *e; d && (e = readdir(d));)
		for (int i = 0; i < 6; i++) n += strcmp(e->d_name, names[i]) == 0;
	CHECK("attr lists them", n == 6);
	closedir(d);
}

static void settings(void)
{
	CHECK("slack", prctl(PR_SET_TIMERSLACK, 70000) == 0 && slurp("/proc/self/timerslack_ns") > 0 &&
	      strcmp(text, "70000\n") == 0);
	CHECK("can be written", put("/proc/self/timerslack_ns", "80000\n") == 0 && prctl(PR_GET_TIMERSLACK) == 80000);
	CHECK_ERRNO("but no words", put("/proc/self/timerslack_ns", "abc"), EINVAL);
	CHECK("core filter", put("/proc/self/coredump_filter", "0x13") == 0 && slurp("/proc/self/coredump_filter") > 0 &&
	      strcmp(text, "00000013\n") == 0);
	CHECK("inherited", STATUS_OF({
		CHECK(slurp("/proc/self/coredump_filter") > 0 && strcmp(text, "00000013\n") == 0);
	}) == 0);
	CHECK_ERRNO("no words either", put("/proc/self/coredump_filter", "x"), EINVAL);
	CHECK("oom_adj is oom_score_adj in another scale", put("/proc/self/oom_score_adj", "500") == 0 &&
	      slurp("/proc/self/oom_adj") > 0 && strcmp(text, "8\n") == 0);
	CHECK("oom_adj 15", put("/proc/self/oom_adj", "15") == 0 && slurp("/proc/self/oom_score_adj") > 0 &&
	      strcmp(text, "1000\n") == 0);
	int adj = open("/proc/self/oom_score_adj", O_WRONLY);
	CHECK("a number may end with a 0", write(adj, "700\0", 4) == 4 && slurp("/proc/self/oom_score_adj") > 0 &&
	      strcmp(text, "700\n") == 0);
	CHECK_ERRNO("but not begin with one", write(adj, "\0007", 2), EINVAL);
	close(adj);
	CHECK_ERRNO("oom_adj 16", put("/proc/self/oom_adj", "16"), EINVAL);
	CHECK_ERRNO("clear_refs 0", put("/proc/self/clear_refs", "0"), EINVAL);
	CHECK("clear_refs 5", put("/proc/self/clear_refs", "5") == 0);
	CHECK("cpuset", slurp("/proc/self/cpuset") > 0 && text[0] == '/');
	CHECK("io has all its lines", slurp("/proc/self/io") > 0 && strstr(text, "rchar: ") && strstr(text, "\nwchar: ") &&
	      strstr(text, "\nsyscr: ") && strstr(text, "\nsyscw: ") && strstr(text, "\nread_bytes: ") &&
	      strstr(text, "\nwrite_bytes: ") && strstr(text, "\ncancelled_write_bytes: 0\n"));
	unsigned long long ran, waited, times;
	CHECK("schedstat has three numbers", slurp("/proc/self/schedstat") > 0 &&
	      sscanf(text, "%llu %llu %llu\n", &ran, &waited, &times) == 3);
}

static void sleeping(void)
{
	int p[2];
	CHECK(pipe(p) == 0);
	char byte;
	pid_t child = fork();
	if (child == 0) {
		close(p[1]);
		_exit(read(p[0], &byte, 1));
	}
	char want[128];
	snprintf(want, sizeof want, "%ld 0x%x 0x%lx 0x1 ", (long)SYS_read, p[0], (long)&byte);
	int good = 0;
	/* Until it has come to the read. */
	for (int i = 0; i < 5000 && !good; i++) {
		good = slurp("/proc/%d/syscall", child) > 0 && strncmp(text, want, strlen(want)) == 0;
		usleep(1000);
	}
	CHECK("syscall shows what another sleeps in", good);
	int words = 0;
	for (char *w = strtok(text, " \n"); w; w = strtok(NULL, " \n")) words++;
	CHECK("nine words", words == 9);
	snprintf(want, sizeof want, "%ld 0x", (long)SYS_read);
	CHECK("its own is the reading", slurp("/proc/self/syscall") > 0 && strncmp(text, want, strlen(want)) == 0);
	snprintf(want, sizeof want, "%d ", child);
	CHECK("children", slurp("/proc/self/task/%d/children", getpid()) > 0 && strcmp(text, want) == 0);
	CHECK_ERRNO("of threads alone", slurp("/proc/self/children"), ENOENT);
	close(p[1]);
	waitpid(child, NULL, 0);
	CHECK("none", slurp("/proc/self/task/%d/children", getpid()) == 0);
}

static void pages(void)
{
	long size = sysconf(_SC_PAGESIZE);
	char *m = mmap(NULL, 4 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(m, 4 * size, MADV_NOHUGEPAGE);
	m[0] = m[2 * size] = 1;
	uint64_t e[4];
	int fd = open("/proc/self/pagemap", O_RDONLY);
	off_t at = (uintptr_t)m / size * 8;
	CHECK("pagemap reads", pread(fd, e, sizeof e, at) == sizeof e);
	CHECK("touched pages are present", e[0] >> 63 && e[2] >> 63);
	CHECK("anonymous and exclusive", !(e[0] >> 61 & 1) && (e[0] >> 56 & 1));
	char *none = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK("what is not present is 0", pread(fd, e + 1, 8, (uintptr_t)none / size * 8) == 8 && (e[1] & ~(1ull << 55)) == 0);
	CHECK_ERRNO("not at an odd place", pread(fd, e, 8, at + 4), EINVAL);
	CHECK_ERRNO("no odd length", pread(fd, e, 7, at), EINVAL);
	CHECK("seek and read", lseek(fd, at, SEEK_SET) == at && read(fd, e, 8) == 8 && e[0] >> 63 && lseek(fd, 0, SEEK_CUR) == at + 8);
	close(fd);
}

/* Who has fewer capabilities may not look into who has more, though they are one user: ptrace(2). */
static void privileges(void)
{
	struct { unsigned version; int pid; } head = { 0x20080522, 0 };
	struct { unsigned effective, permitted, inheritable; } none[2] = {};
	int status;
	pid_t child = fork();
	if (child == 0) {
		int isRoot = geteuid() == 0;
		if (syscall(SYS_capset, &head, none) != 0) _exit(2);
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/environ", getppid());
		int fd = open(path, O_RDONLY);
		_exit(isRoot ? fd >= 0 || errno != EACCES : fd < 0);
	}
	CHECK("a root without capabilities does not look into one with them", waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
	privileges();
	attributes();
	settings();
	sleeping();
	pages();
	return t_end();
}
