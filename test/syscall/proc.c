/* What a process reads about itself in /proc is what it knows by other means. */
#include "t.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>

static char text[1 << 20];
static int text_len;

/* Reads a file whole, in pieces of odd size; -1 and errno if it cannot be. */
static int slurp(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	text[0] = 0;
	text_len = 0;
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	int n;
	while ((n = read(fd, text + text_len, 777)) > 0)
		text_len += n;
	int e = errno;
	close(fd);
	errno = e;
	text[text_len] = 0;
	return n < 0 ? -1 : text_len;
}

/* The number after `key` at the start of a line. */
static long long field(const char *key)
{
	size_t k = strlen(key);
	for (char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : p)
		if (strncmp(p, key, k) == 0)
			return strtoll(p + k, 0, 0);
	return -1;
}

static int put(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0)
		return -1;
	int n = write(fd, what, strlen(what));
	int e = errno;
	close(fd);
	errno = e;
	return n < 0 ? -1 : 0;
}

/* Field n of /proc/.../stat, counted as in proc(5). */
static long long statfield(int n)
{
	char *p = strrchr(text, ')');
	if (!p)
		return -1;
	p += 2;
	for (n -= 3; n > 0 && p; n--)
		p = strchr(p, ' ') ? strchr(p, ' ') + 1 : 0;
	return p ? strtoll(p, 0, 10) : -1;
}

/* The maps line that holds `addr`, as a string of its own. */
static const char *mapof(const void *addr)
{
	static char line[PATH_MAX + 128];
	for (char *p = text; *p;) {
		unsigned long a, b;
		char *end = strchr(p, '\n');
		if (sscanf(p, "%lx-%lx", &a, &b) == 2 && a <= (uintptr_t)addr && (uintptr_t)addr < b) {
			snprintf(line, sizeof line, "%.*s", (int)(end - p), p);
			return line;
		}
		p = end + 1;
	}
	return "";
}

static int initialised = 1;

static void on_signal(int sig)
{
	(void)sig;
}

static void identity(char **argv)
{
	char self[PATH_MAX], want[PATH_MAX];
	snprintf(want, sizeof want, "%d", getpid());
	int n = readlink("/proc/self", self, sizeof self - 1);
	self[n < 0 ? 0 : n] = 0;
	CHECK("self is the caller's pid", strcmp(self, want) == 0);
	snprintf(want, sizeof want, "%d/task/%ld", getpid(), syscall(SYS_gettid));
	n = readlink("/proc/thread-self", self, sizeof self - 1);
	self[n < 0 ? 0 : n] = 0;
	CHECK("thread-self names the thread", strcmp(self, want) == 0);

	CHECK("cmdline is argv", slurp("/proc/self/cmdline") > 0 && strcmp(text, argv[0]) == 0 &&
	      text[text_len - 1] == 0);
	setenv("ADDED", "later", 1);
	CHECK("environ is the first environment", slurp("/proc/self/environ") >= 0 &&
	      !memmem(text, text_len, "ADDED", 5) && memmem(text, text_len, "T_MARK=here", 11));
	CHECK("auxv is what getauxval reads", slurp("/proc/self/auxv") > 0 && text_len % 16 == 0);
	unsigned long page = 0;
	for (int i = 0; i + 16 <= text_len; i += 16) {
		unsigned long pair[2];
		memcpy(pair, text + i, 16);
		if (pair[0] == AT_PAGESZ)
			page = pair[1];
	}
	CHECK("auxv holds the page size", page == getauxval(AT_PAGESZ));
	n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n < 0 ? 0 : n] = 0;
	struct stat a, b;
	CHECK("exe leads to the program", stat("/proc/self/exe", &a) == 0 && stat(self, &b) == 0 &&
	      a.st_ino == b.st_ino && a.st_dev == b.st_dev && S_ISREG(a.st_mode));

	CHECK("comm can be set by prctl", prctl(PR_SET_NAME, "a (b) c") == 0 &&
	      slurp("/proc/self/comm") > 0 && strcmp(text, "a (b) c\n") == 0);
	CHECK("comm can be set by writing, cut to 15", put("/proc/self/comm", "0123456789abcdefgh") == 0 &&
	      slurp("/proc/self/comm") > 0 && strcmp(text, "0123456789abcde\n") == 0);
	CHECK("stat shows comm in parentheses", slurp("/proc/self/stat") > 0 &&
	      strstr(text, "(0123456789abcde) R "));
	CHECK("stat shows ppid, pgrp, session", statfield(4) == getppid() && statfield(5) == getpgrp() &&
	      statfield(6) == getsid(0));
	setpriority(PRIO_PROCESS, 0, 5);
	CHECK("stat shows nice", slurp("/proc/self/stat") > 0 && statfield(19) == 5 && statfield(18) == 25);
	CHECK("stat shows one thread", statfield(20) == 1);
	CHECK("a process that is not there", slurp("/proc/999999/stat") < 0 && errno == ENOENT);
}

static void status(void)
{
	sigset_t set;
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGRTMAX);
	sigprocmask(SIG_BLOCK, &set, 0);
	raise(SIGWINCH);
	CHECK("status reads", slurp("/proc/self/status") > 0);
	CHECK("status shows ids", field("Pid:") == getpid() && field("PPid:") == getppid() &&
	      field("Tgid:") == getpid() && field("Uid:") == getuid() && field("Gid:") == getgid());
	char *p = strstr(text, "SigBlk:");
	CHECK("status shows blocked signals",
	      p && strtoull(p + 7, 0, 16) == ((1ull << (SIGWINCH - 1)) | (1ull << 63)));
	p = strstr(text, "SigIgn:");
	CHECK("status shows ignored signals", p && (strtoull(p + 7, 0, 16) & (1ull << (SIGUSR1 - 1))));
	p = strstr(text, "SigCgt:");
	CHECK("status shows caught signals", p && (strtoull(p + 7, 0, 16) & (1ull << (SIGUSR2 - 1))));
	p = strstr(text, "SigPnd:");
	CHECK("status shows a thread's pending signals",
	      p && strtoull(p + 7, 0, 16) == 1ull << (SIGWINCH - 1));
	mode_t old = umask(027);
	CHECK("status shows the umask", slurp("/proc/self/status") > 0 && field("Umask:") == 027);
	umask(old);
	sigprocmask(SIG_UNBLOCK, &set, 0);
}

static void memory(void)
{
	size_t size = 8 << 20;
	slurp("/proc/self/status");
	long long rss = field("VmRSS:"), vm = field("VmSize:");
	char *m = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	slurp("/proc/self/status");
	CHECK("VmSize grows with a map", field("VmSize:") - vm >= 8 << 10 && field("VmSize:") - vm < 9 << 10);
	CHECK("VmRSS does not", field("VmRSS:") - rss < 1024);
	memset(m, 1, size);
	slurp("/proc/self/status");
	CHECK("VmRSS grows when it is touched",
	      field("VmRSS:") - rss >= 8 << 10 && field("VmRSS:") - rss < 10 << 10);
	slurp("/proc/self/statm");
	long pages, resident;
	CHECK("statm agrees", sscanf(text, "%ld %ld", &pages, &resident) == 2 && pages > resident &&
	      resident * 4 > 8 << 10);
	mprotect(m, 4096, PROT_READ);
	slurp("/proc/self/maps");
	CHECK("maps shows a protected page", strstr(mapof(m), " r--p 00000000 00:00 0"));
	CHECK("maps shows the rest", strstr(mapof(m + 8192), " rw-p 00000000 00:00 0"));
	int local;
	CHECK("maps names the stack", strstr(mapof(&local), "[stack]"));
	CHECK("maps names the heap", strstr(mapof(sbrk(0) - 1), "[heap]"));
	CHECK("maps names the program", strstr(mapof(&initialised), "/") || strstr(mapof((void *)identity), "/"));
	CHECK("maps shows code as r-xp", strstr(mapof((void *)identity), " r-xp "));
	CHECK("maps names the vdso", strstr(text, "[vdso]\n"));
	char *s = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	slurp("/proc/self/maps");
	CHECK("maps shows shared memory", strstr(mapof(s), " rw-s 00000000 00:01 ") &&
	      strstr(mapof(s), "/dev/zero (deleted)"));
	slurp("/proc/self/smaps");
	CHECK("smaps has a block of keys per map", strstr(text, "Size:                  8 kB\n") &&
	      strstr(text, "\nVmFlags: rd wr "));
	slurp("/proc/self/smaps_rollup");
	CHECK("smaps_rollup sums the residents", field("Rss:") * 4 > 8 << 10 && strstr(text, "[rollup]\n"));
	munmap(m, size);
	slurp("/proc/self/status");
	CHECK("VmHWM remembers", field("VmHWM:") - field("VmRSS:") >= 7 << 10);
	slurp("/proc/meminfo");
	CHECK("meminfo adds up", field("MemTotal:") > field("MemFree:") && field("MemFree:") > 0 &&
	      field("MemAvailable:") > 0);
	CHECK("sysconf reads memory", sysconf(_SC_PHYS_PAGES) * 4 <= field("MemTotal:") + 4096);
}

static void files(void)
{
	char path[64], to[PATH_MAX];
	int fd = open("/proc/self/stat", O_RDONLY);
	int tmp = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	int named = open("/tmp/vk-proc-test", O_CREAT | O_RDWR | O_CLOEXEC | O_APPEND, 0640);
	int p[2];
	if (pipe(p) < 0)
		return;
	if (write(named, "hello", 5) != 5)
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d", named);
	int n = readlink(path, to, sizeof to - 1);
	to[n < 0 ? 0 : n] = 0;
	CHECK("fd names a file", strcmp(to, "/tmp/vk-proc-test") == 0);
	struct stat a, b;
	CHECK("fd leads to the file", stat(path, &a) == 0 && fstat(named, &b) == 0 && a.st_ino == b.st_ino);
	CHECK("an fd link shows how it is open", lstat(path, &a) == 0 && (a.st_mode & 0777) == 0700);
	unlink("/tmp/vk-proc-test");
	n = readlink(path, to, sizeof to - 1);
	to[n < 0 ? 0 : n] = 0;
	CHECK("fd shows a deleted file", strcmp(to, "/tmp/vk-proc-test (deleted)") == 0);
	int again = open(path, O_RDONLY);
	CHECK("a deleted file is opened through fd", again >= 0 && read(again, to, 9) == 5 && !memcmp(to, "hello", 5));
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", named);
	slurp(path);
	CHECK("fdinfo shows position and flags", field("pos:\t") == 5 &&
	      (field("flags:\t") & (O_ACCMODE | O_APPEND | O_CLOEXEC)) == (O_RDWR | O_APPEND | O_CLOEXEC));
	snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
	n = readlink(path, to, sizeof to - 1);
	to[n < 0 ? 0 : n] = 0;
	fstat(p[0], &a);
	char want[64];
	snprintf(want, sizeof want, "pipe:[%lu]", (unsigned long)a.st_ino);
	CHECK("fd names a pipe by its inode", strcmp(to, want) == 0);
	int through = open(path, O_RDONLY | O_NONBLOCK);
	CHECK("a pipe is opened through fd", through >= 0 && write(p[1], "x", 1) == 1 && read(through, to, 9) == 1);
	int seen = 0, extra = 0;
	DIR *d = opendir("/proc/self/fd");
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		int k = atoi(e->d_name);
		if (k == fd || k == tmp || k == named || k == p[0] || k == p[1])
			seen++;
		else if (fcntl(k, F_GETFD) < 0)
			extra++;
	}
	if (d)
		closedir(d);
	CHECK("fd lists the open descriptors, and only them", seen == 5 && extra == 0);
	CHECK("access through fd obeys descriptors", access("/proc/self/fd/99", F_OK) < 0 && errno == ENOENT);
	if (chdir("/tmp") == 0) {
		n = readlink("/proc/self/cwd", to, sizeof to - 1);
		to[n < 0 ? 0 : n] = 0;
		CHECK("cwd is the working directory", strcmp(to, "/tmp") == 0);
		CHECK("a path goes through cwd", stat("/proc/self/cwd/.", &a) == 0 && stat("/tmp", &b) == 0 &&
		      a.st_ino == b.st_ino);
	}
	close(fd);
	close(tmp);
	close(named);
	close(again);
	close(through);
	close(p[0]);
	close(p[1]);
}

static pthread_barrier_t barrier;
static volatile pid_t worker_tid;

static void *worker(void *arg)
{
	(void)arg;
	worker_tid = syscall(SYS_gettid);
	prctl(PR_SET_NAME, "worker");
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return 0;
}

static void threads(void)
{
	pthread_t t;
	pthread_barrier_init(&barrier, 0, 2);
	pthread_create(&t, 0, worker, 0);
	pthread_barrier_wait(&barrier);
	slurp("/proc/self/stat");
	CHECK("stat counts threads", statfield(20) == 2);
	slurp("/proc/self/status");
	CHECK("status counts threads", field("Threads:") == 2);
	CHECK("task has the thread's name", slurp("/proc/self/task/%d/comm", worker_tid) > 0 &&
	      strcmp(text, "worker\n") == 0);
	slurp("/proc/self/task/%d/status", worker_tid);
	CHECK("task status shows thread and group", field("Pid:") == worker_tid && field("Tgid:") == getpid());
	CHECK("a thread's own directory is found by its id, though not listed",
	      slurp("/proc/%d/status", worker_tid) > 0 && field("Tgid:") == getpid());
	int n = 0;
	DIR *d = opendir("/proc/self/task");
	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	CHECK("task lists both", n == 2);
	pthread_barrier_wait(&barrier);
	pthread_join(t, 0);
	/* Joined is not yet gone, on Linux. */
	for (int i = 0; i < 1000 && slurp("/proc/self/task/%d/comm", worker_tid) >= 0; i++)
		usleep(1000);
	CHECK("a thread that ended is gone", slurp("/proc/self/task/%d/comm", worker_tid) < 0 && errno == ENOENT);
}

static void others(void)
{
	int p[2];
	if (pipe(p) < 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		close(p[1]);
		_exit(read(p[0], &c, 1) == 0 ? 7 : 8);
	}
	close(p[0]);
	char state = 0;
	for (int i = 0; i < 1000 && state != 'S'; i++) {
		usleep(1000);
		slurp("/proc/%d/stat", pid);
		state = strrchr(text, ')')[2];
	}
	CHECK("a child that reads a pipe sleeps", state == 'S' && statfield(4) == getpid());
	int held = open("/proc/self/stat", O_RDONLY);
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	close(held);
	held = open(path, O_RDONLY);
	close(p[1]);
	for (int i = 0; i < 1000 && state != 'Z'; i++) {
		usleep(1000);
		slurp("/proc/%d/stat", pid);
		state = strrchr(text, ')')[2];
	}
	CHECK("a child that ended is a zombie", state == 'Z');
	CHECK("a zombie has no memory", slurp("/proc/%d/status", pid) > 0 && field("VmSize:") == -1 &&
	      strstr(text, "State:\tZ (zombie)"));
	CHECK("a zombie has no cmdline", slurp("/proc/%d/cmdline", pid) == 0);
	CHECK("a zombie has no exe", readlink(path, text, 9) < 0);
	waitpid(pid, 0, 0);
	CHECK("a reaped child is gone", slurp("/proc/%d/stat", pid) < 0 && errno == ENOENT);
	CHECK_ERRNO("also to who had it open", read(held, text, 10), ESRCH);
	close(held);

	if (getuid() == 0) {
		pid = fork();
		if (pid == 0) {
			int bad = setgid(1000) < 0 || setuid(1000) < 0;
			bad |= slurp("/proc/%d/environ", getppid()) >= 0 || errno != EACCES;
			bad |= slurp("/proc/%d/maps", getppid()) >= 0 || errno != EACCES;
			bad |= slurp("/proc/%d/stat", getppid()) < 0 ? 2 : 0;
			snprintf(path, sizeof path, "/proc/%d/fd", getppid());
			bad |= opendir(path) != 0 ? 4 : 0;
			_exit(bad);
		}
		int st = -1;
		waitpid(pid, &st, 0);
		CHECK("another user may not look inside, but at the outside", st == 0);
	}
}

static void machine(void)
{
	struct utsname u;
	uname(&u);
	slurp("/proc/sys/kernel/osrelease");
	text[strcspn(text, "\n")] = 0;
	CHECK("osrelease is uname's", strcmp(text, u.release) == 0);
	slurp("/proc/sys/kernel/hostname");
	text[strcspn(text, "\n")] = 0;
	CHECK("hostname is uname's", strcmp(text, u.nodename) == 0);
	CHECK("version begins with the system", slurp("/proc/version") > 0 && strncmp(text, "Linux version ", 14) == 0 &&
	      strstr(text, u.release));
	struct timespec t;
	double up = 0;
	slurp("/proc/uptime");
	clock_gettime(CLOCK_BOOTTIME, &t);
	CHECK("uptime is the boot clock", sscanf(text, "%lf", &up) == 1 && t.tv_sec + 2 > up && up > t.tv_sec - 2.);
	slurp("/proc/stat");
	clock_gettime(CLOCK_REALTIME, &t);
	long long btime = field("btime ");
	CHECK("btime is now less uptime", llabs(btime - (t.tv_sec - (long long)up)) <= 2);
	slurp("/proc/filesystems");
	CHECK("filesystems lists proc as nodev", strstr(text, "nodev\tproc\n"));
	slurp("/proc/mounts");
	CHECK("mounts has a root", strstr(text, " / "));
	CHECK("mounts has proc", strstr(text, " /proc proc rw"));
	slurp("/proc/self/limits");
	struct rlimit r = { 333, 333 };
	setrlimit(RLIMIT_NOFILE, &r);
	slurp("/proc/self/limits");
	CHECK("limits shows a new limit", strstr(text, "Max open files            333                  333                  files"));
	char first[64], again[64];
	slurp("/proc/sys/kernel/random/uuid");
	snprintf(first, sizeof first, "%.40s", text);
	slurp("/proc/sys/kernel/random/uuid");
	snprintf(again, sizeof again, "%.40s", text);
	CHECK("every uuid is new", strlen(first) == 37 && strcmp(first, again) != 0);
	CHECK_ERRNO("proc has no room for new files", open("/proc/new", O_CREAT | O_WRONLY, 0644), ENOENT);
	CHECK_ERRNO("nor for directories", mkdir("/proc/new", 0755), ENOENT);
	CHECK_ERRNO("a text cannot be removed", unlink("/proc/uptime"), EPERM);
	struct stat st;
	CHECK("texts have no size and no blocks", stat("/proc/uptime", &st) == 0 && st.st_size == 0 && S_ISREG(st.st_mode));
	int fd = open("/proc/self/comm", O_RDONLY);
	char c[4] = "";
	CHECK("a rewound text is read anew", read(fd, c, 1) == 1 && prctl(PR_SET_NAME, "zz") == 0 &&
	      lseek(fd, 0, SEEK_SET) == 0 && read(fd, c, 3) == 3 && memcmp(c, "zz\n", 3) == 0);
	CHECK("and by offset", pread(fd, c, 2, 1) == 2 && memcmp(c, "z\n", 2) == 0);
	close(fd);
	fd = open("/proc/self/mounts", O_RDONLY);
	struct pollfd pfd = { fd, POLLPRI, 0 };
	CHECK("mounts that did not change have no news", poll(&pfd, 1, 0) == 0);
	close(fd);
	slurp("/proc/self/io");
	long long rchar = field("rchar:"), syscr = field("syscr:");
	fd = open("/proc/self/comm", O_RDONLY);
	for (int i = 0; i < 100; i++)
		if (pread(fd, c, 3, 0) != 3)
			break;
	close(fd);
	slurp("/proc/self/io");
	CHECK("io counts reads", field("rchar:") - rchar >= 300 && field("rchar:") - rchar < 1500 &&
	      field("syscr:") - syscr >= 100 && field("syscr:") - syscr < 110);
	int lock = open("/tmp/vk-proc-lock", O_CREAT | O_RDWR, 0600);
	struct flock fl = { .l_type = F_WRLCK, .l_start = 10, .l_len = 20 };
	CHECK("a lock is set", lock >= 0 && fcntl(lock, F_SETLK, &fl) == 0);
	fstat(lock, &st);
	char want[80];
	snprintf(want, sizeof want, ": POSIX  ADVISORY  WRITE %d %02x:%02x:%lu 10 29\n", getpid(), major(st.st_dev),
		 minor(st.st_dev), (unsigned long)st.st_ino);
	slurp("/proc/locks");
	CHECK("locks shows it", strstr(text, want));
	close(lock);
	unlink("/tmp/vk-proc-lock");
}

int main(int argc, char **argv)
{
	if (argc > 0 && !getenv("T_MARK")) {
		char *env[] = { "T_MARK=here", "PATH=/bin", 0 };
		char *args[] = { argv[0], 0 };
		execve("/proc/self/exe", args, env);
		return 2;
	}
	identity(argv);
	status();
	memory();
	files();
	threads();
	others();
	machine();
	return t_end();
}
