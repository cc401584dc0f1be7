/*
 * Random system calls on files with random arguments, for the guest alone: a
 * program that wants to break the kernel. Prints how many calls it made.
 * usage: filecalls seed calls
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static uint64_t state;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/*
 * Each call and what its arguments should be: f descriptor, d directory
 * descriptor, p path, b buffer, c count, o offset, g flag bits, m mode, n
 * small number, i id, t times, v iovec, e an attribute's name.
 */
static const struct { short nr; char args[7]; } calls[] = {
	{5, "pebcn"}, {6, "pebcn"}, {7, "febcn"}, {8, "pebc"}, {9, "pebc"}, {10, "febc"}, {11, "pbc"}, {12, "pbc"},
	{13, "fbc"}, {14, "pe"}, {15, "pe"}, {16, "fe"}, {17, "bc"}, {19, "ng"}, {20, "g"}, {21, "fnfb"}, {21, "fnfb"},
	{22, "fbnn00"}, {22, "fbnn00"}, {23, "f"}, {24, "ffg"}, {25, "fnn"}, {25, "fnb"}, {26, "g"}, {27, "fpg"}, {28, "fn"},
	{29, "fgb"}, {32, "fn"}, {33, "dpmn"}, {34, "dpm"}, {34, "dpm"}, {35, "dpg"}, {35, "dp0"}, {36, "pdp"}, {37, "dpdp0"},
	{37, "dpdpg"}, {39, "pn"}, {40, "ppqgb"}, {40, "0pq00"}, {40, "pp0g0"}, {41, "pp"}, {43, "pb"}, {44, "fb"}, {45, "po"}, {46, "fo"},
	{47, "fnoo"}, {48, "dpn"}, {49, "p"}, {50, "f"}, {52, "fm"}, {53, "dpm"}, {54, "dpiig"}, {55, "fii"}, {56, "dpgm"},
	{56, "dpgm"}, {56, "dpgm"}, {56, "dpgm"}, {57, "f"}, {59, "bg"}, {61, "fbc"}, {61, "fbc"}, {62, "fon"}, {63, "fbc"}, {63, "fbc"},
	{64, "fbc"}, {64, "fbc"}, {65, "fvn"}, {66, "fvn"}, {67, "fbco"}, {68, "fbco"}, {69, "fvno"}, {70, "fvno"}, {71, "ffbc"},
	{71, "ff0c"}, {72, "nbbbt0"}, {73, "bnt0n"}, {74, "fbng"}, {75, "fvng"}, {76, "f0f0cg"}, {76, "fbf0cn"}, {76, "f0fbcn"},
	{77, "ffcn"}, {78, "dpbc"}, {79, "dpbg"}, {80, "fb"}, {81, ""}, {82, "f"}, {83, "f"}, {84, "foog"}, {85, "ng"},
	{86, "fntb"}, {87, "fb"}, {88, "dptg"}, {166, "m"}, {213, "foc"}, {223, "foon"}, {264, "dpbbg"}, {265, "fbg"}, {267, "f"},
	{276, "dpdpn"}, {276, "dpdp0"}, {279, "en"}, {285, "f0f0c0"}, {285, "fbfbc0"}, {286, "fvno0n"}, {287, "fvno0n"},
	{291, "dpgnb"}, {436, "nnn"}, {437, "dpbc"}, {439, "dpng"}, {441, "fbnt0n"}, {452, "dpmg"},
};

static char *area;
static const char *paths[] = {
	"a", "b", "a/b", "a/c", "../fuzz/a", ".", "..", "", "/", "a/", "b/../a", "link", "link/x", "loop", "fifo",
	"/proc/self/fd/0", "/proc/self/fd/5", "/proc/self/cwd/a", "/dev/null", "/dev/zero", "/proc/self/mounts",
	"//a//b//", "d", "d/e", "d/e/f", "/fuzz/d", "none",
};

static const char *names[] = {"user.x", "user.yy", "trusted.z", "security.q", "user.", "bad", ""};
static const char *types[] = {"tmpfs", "proc", "devtmpfs", "devpts", "ramfs", "nosuchfs"};
#define ONE_OF(list) ((uint64_t)list[next() % (sizeof list / sizeof *list)])

static uint64_t wild(void)
{
	static const uint64_t odd[] = {0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 100, 255, 256, 1000, 4095, 4096, 4097, 65536, 0x7fffffff,
		0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, -1, -2, -100, 0x3fffffffff, 0x4000000000, 1ULL << 53, 1ULL << 44};
	return next() % 3 ? ONE_OF(odd) : next();
}

static uint64_t argument(char kind)
{
	if (next() % 24 == 0) return wild();
	switch (kind) {
	case 'f': return next() % 24;
	case 'd': return next() % 3 ? -100 : next() % 24;
	case 'p': return ONE_OF(paths);
	case 'b': return (uint64_t)area + (next() % 1024) * 8;
	case 'v': return (uint64_t)area + 4096 + (next() % 512) * 8;
	case 'c': return next() % 4 ? next() % 5000 : next() % 200000;
	case 'o': return next() % 4 ? next() % 20000 : next() % (1ULL << 45);
	case 'g': return next() % 3 ? (next() & 1 ? 1ULL << (next() % 24) : next() & 0103) : next() & 037777777;
	case 'm': return (next() % 4 ? 0100000 : (next() % 16) << 12) | (next() & 07777);
	case 'n': return next() % 12;
	case 'i': return next() % 4 ? 0 : next() % 3000;
	case 't': return next() % 2 ? (uint64_t)area + 8 * (next() % 512) : 0;
	case 'e': return ONE_OF(names);
	case 'q': return ONE_OF(types);
	default: return 0;
	}
}

static void tick(int sig) { (void)sig; }

int main(int argc, char **argv)
{
	state = argc > 1 ? strtoull(argv[1], 0, 10) * 2654435761u + 88172645463325252ull : 1;
	long wanted = argc > 2 ? atol(argv[2]) : 10000, made = 0;
	/* Two pages of data, then nothing: copies run over the edge. */
	area = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(area + 8192, 4096);
	mkdir("/fuzz", 0777);
	struct sigaction sa = {.sa_handler = tick};
	sigaction(SIGALRM, &sa, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGIO, SIG_IGN);
	struct itimerval every = {{0, 5000}, {0, 5000}};
	setitimer(ITIMER_REAL, &every, 0);
	int log = dup(1);
	for (int fd = 3; fd < 24; fd++) if (fd != log) close(fd);
	log = fcntl(log, F_DUPFD, 200);
	for (; made < wanted; made++) {
		if (made % 500 == 0) {
			int n[2];
			syscall(SYS_chdir, "/fuzz");
			/* Away with what was mounted, and with what is in the way. */
			while (syscall(SYS_umount2, "d", 2) == 0 || syscall(SYS_umount2, ".", 2) == 0);
			unlinkat(AT_FDCWD, "a", 0);
			unlinkat(AT_FDCWD, "a", AT_REMOVEDIR);
			symlinkat("a", AT_FDCWD, "link");
			symlinkat("loop", AT_FDCWD, "loop");
			mknodat(AT_FDCWD, "fifo", S_IFIFO | 0600, 0);
			mkdirat(AT_FDCWD, "d", 0700);
			for (int fd = 0; fd < 24; fd++) syscall(SYS_close, fd);
			for (int i = 0; i < 3; i++) if (pipe2(n, O_NONBLOCK)) break;
			open("a", O_CREAT | O_RDWR, 0600);
			open(".", O_RDONLY);
			for (int i = 0; i < 2; i++) epoll_create1(0);
			syscall(SYS_eventfd2, 1, O_NONBLOCK);
			syscall(SYS_timerfd_create, 1, O_NONBLOCK);
			syscall(SYS_inotify_init1, O_NONBLOCK);
			syscall(SYS_memfd_create, "m", 2);
			open("fifo", O_RDWR | O_NONBLOCK);
		}
		/* The second page: iovecs, mostly; the first: whatever structs come to be. */
		uint64_t *w = (uint64_t *)area + 512 + (next() % 255) * 2;
		w[0] = argument('b');
		w[1] = argument('c');
		((uint64_t *)area)[next() % 512] = next() % 2 ? next() % 100 : wild();
		int which = next() % (sizeof calls / sizeof *calls);
		long nr = calls[which].nr;
		uint64_t a[6] = {0};
		for (int i = 0; i < 6 && calls[which].args[i]; i++) a[i] = argument(calls[which].args[i]);
		/* Not the descriptor that we report to, and not the machine's time. */
		if (nr == 436) a[1] = a[1] % 100;
		if ((nr == 24 || nr == 57) && (int)a[nr == 24] >= 200) continue;
		syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	dprintf(log, "%ld calls\n", made);
	_exit(0);
}
