/*
 * Every file of /proc and /sys can be read in pieces of any size, by root and by others; every sysctl survives whatever
 * is written to it, and takes its own value back.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include "t.h"

static const char *const SKIPPED[] = { "/proc/kmsg", "/proc/sysrq-trigger" };
/* A read of memory is as long as the memory. */
static const char *const LONG[] = { "/mem", "/pagemap" };

/* Taints stay; what limits bytes becomes 0 only by way of its other, the ratio. */
static const char *const CHANGED[] = { "/tainted", "/dirty_bytes", "/dirty_background_bytes" };

static char a[1 << 20], b[1 << 20];
static int files, wrong;

static int ends(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);
	return n >= m && strcmp(path + n - m, end) == 0;
}

static int slurp(const char *path, char *to, size_t step)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK), n = 0, r = 0;
	if (fd < 0) return -1;
	while (n < (1 << 20) - 8192 && (r = read(fd, to + n, step)) > 0) n += r;
	pread(fd, to + n, 1, 1l << 40);
	lseek(fd, -1, SEEK_END);
	close(fd);
	return r < 0 ? -1 : n;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)at;
	if (type != FTW_F || !S_ISREG(st->st_mode)) return 0;
	for (int i = 0; i < 2; i++) if (strcmp(path, SKIPPED[i]) == 0 || ends(path, LONG[i])) return 0;
	files++;
	slurp(path, a, 8191);
	slurp(path, b, 13);
	return 0;
}

static int twist(const char *path, const struct stat *st, int type, struct FTW *at)
{
	static char longest[5000];
	static const char *const values[] = {
		"", "\n", "-1", "0", "1", "2147483648", "9223372036854775808", "99999999999999999999999", "0x", "1x", "1 2 3 4 5 6",
		"on", "/", "%", "|", longest,
	};
	(void)at;
	if (type != FTW_F || !(st->st_mode & 0200)) return 0;
	memset(longest, 'a', sizeof longest - 1);
	int n = slurp(path, a, 8192);
	files++;
	for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
		int fd = open(path, O_WRONLY);
		if (fd < 0) return 0;
		if (write(fd, values[i], strlen(values[i])) == -1 && errno != EINVAL && errno != EPERM && errno != EACCES && errno != ENOENT) {
			printf("# %s: %s to \"%.8s\"\n", path, strerror(errno), values[i]);
			wrong++;
		}
		pwrite(fd, values[i], strlen(values[i]), 3);
		close(fd);
		if (n <= 0) continue;
		fd = open(path, O_WRONLY);
		write(fd, a, n);
		close(fd);
	}
	for (int i = 0; i < 3; i++) if (ends(path, CHANGED[i])) return 0;
	if (n > 0 && (slurp(path, b, 8192) != n || memcmp(a, b, n) != 0)) {
		printf("# %s does not become what it was\n", path);
		wrong++;
	}
	return 0;
}

int main(void)
{
	nftw("/proc", visit, 32, FTW_PHYS);
	nftw("/sys", visit, 32, FTW_PHYS);
	CHECK("root reads everything", files > 300);
	int st;
	pid_t p = fork();
	if (p == 0) {
		if (setgid(1000) || setuid(1000)) _exit(9);
		files = 0;
		nftw("/proc", visit, 32, FTW_PHYS);
		nftw("/sys", visit, 32, FTW_PHYS);
		_exit(files <= 200);
	}
	CHECK("users read what is for them", waitpid(p, &st, 0) == p && st == 0);
	files = 0;
	nftw("/proc/sys", twist, 32, FTW_PHYS);
	CHECK("sysctls can be written", files > 100);
	CHECK("and say what is wrong, and take back what they had", wrong == 0);
	return t_failed != 0;
}
