/* Sysctls do what they say, and take what Linux takes: as root, of the whole machine. See proc_sys(5). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include "t.h"

#define SYS "/proc/sys/"

static int set(const char *name, const char *value)
{
	char path[256];
	snprintf(path, sizeof path, SYS "%s", name);
	int fd = open(path, O_WRONLY);
	if (fd < 0) return -1;
	int n = write(fd, value, strlen(value)), e = errno;
	close(fd);
	errno = e;
	return n;
}

static const char *get(const char *name)
{
	static char text[4096];
	char path[256];
	snprintf(path, sizeof path, SYS "%s", name);
	int fd = open(path, O_RDONLY);
	int n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	return text;
}

#define IS(name, value) (strcmp(get(name), value "\n") == 0)

/* Runs `stmt` in a child that has become user 1000, and says what it exits with. */
#define AS_USER(...) ({ \
	pid_t p_ = fork(); \
	int st_ = -1; \
	if (p_ == 0) { if (setgid(1000) || setuid(1000)) _exit(99); __VA_ARGS__; _exit(0); } \
	waitpid(p_, &st_, 0); \
	WIFEXITED(st_) ? WEXITSTATUS(st_) : 1000 + WTERMSIG(st_); })

static void values(void)
{
	CHECK("a number may be hexadecimal", set("vm/max_map_count", "0x7fff") == 6 &&
	      IS("vm/max_map_count", "32767"));
	CHECK("or octal, with blanks about it", set("vm/max_map_count", " \t017 \n") == 7 &&
	      IS("vm/max_map_count", "15"));
	set("vm/max_map_count", "65530");
	CHECK_ERRNO("but must be one", set("vm/max_map_count", "12x"), EINVAL);
	CHECK_ERRNO("and there", set("vm/max_map_count", "\n"), EINVAL);
	CHECK_ERRNO("and within limits", set("fs/protected_fifos", "3"), EINVAL);
	CHECK_ERRNO("below, too", set("fs/protected_fifos", "-1"), EINVAL);
	CHECK_ERRNO("nr_open has a least value", set("fs/nr_open", "63"), EINVAL);
	CHECK("pipe sizes are powers of two", set("fs/pipe-max-size", "9000") == 4 &&
	      IS("fs/pipe-max-size", "16384"));
	set("fs/pipe-max-size", "1048576");
	CHECK("of several numbers those that are not given stay",
	      set("kernel/printk", "4 5") == 3 && strncmp(get("kernel/printk"), "4\t5\t1\t", 6) == 0);
	set("kernel/printk", "4 4 1");

	int fd = open(SYS "kernel/hostname", O_WRONLY);
	CHECK("texts can be written in pieces", write(fd, "one", 3) == 3 && write(fd, "two\n", 4) == 4 &&
	      IS("kernel/hostname", "onetwo"));
	close(fd);
	fd = open(SYS "vm/swappiness", O_WRONLY);
	CHECK("numbers cannot: the rest is passed over", write(fd, "1", 1) == 1 && write(fd, "2", 1) == 1 &&
	      IS("vm/swappiness", "1"));
	close(fd);
	set("kernel/sysctl_writes_strict", "0");
	fd = open(SYS "vm/swappiness", O_WRONLY);
	CHECK("unless each write shall be a value", write(fd, "1", 1) == 1 && write(fd, "2", 1) == 1 &&
	      IS("vm/swappiness", "2"));
	close(fd);
	set("kernel/sysctl_writes_strict", "1");
	set("vm/swappiness", "60");
	CHECK("setting kbytes unsets ratio", set("vm/overcommit_kbytes", "4096") > 0 &&
	      IS("vm/overcommit_ratio", "0"));
	CHECK("and the other way round", set("vm/overcommit_ratio", "50") > 0 &&
	      IS("vm/overcommit_kbytes", "0"));
	CHECK("taints stay", set("kernel/tainted", "4096") > 0 && set("kernel/tainted", "1") > 0 &&
	      IS("kernel/tainted", "4097"));
	CHECK("what can be nothing else takes itself alone",
	      set("kernel/panic_on_oops", "1") == 1 && set("kernel/panic_on_oops", "0") == -1 &&
	      errno == EINVAL);
	CHECK("users change nothing", AS_USER(_exit(set("vm/swappiness", "1") == -1 && errno == EACCES)) == 1);
	CHECK_ERRNO("nobody reads what can only be written", open(SYS "vm/drop_caches", O_RDONLY), EACCES);
}

static void files(void)
{
	umask(0);
	mkdir("/open", 01777);
	chmod("/open", 01777);
	close(open("/target", O_CREAT | O_RDWR, 0666));
	AS_USER(symlink("/target", "/open/link"));
	CHECK_ERRNO("another's link in an open directory leads nowhere", open("/open/link", O_RDONLY), EACCES);
	CHECK("its owner may follow it", AS_USER(_exit(open("/open/link", O_RDONLY) < 0)) == 0);
	set("fs/protected_symlinks", "0");
	CHECK("nor anybody, when that is off", open("/open/link", O_RDONLY) >= 0);
	set("fs/protected_symlinks", "1");

	close(open("/secret", O_CREAT | O_RDWR, 0600));
	CHECK("users do not link what they cannot write",
	      AS_USER(_exit(link("/secret", "/open/hard") == -1 && errno == EPERM)) == 1);
	set("fs/protected_hardlinks", "0");
	CHECK("when that is off they do", AS_USER(_exit(link("/secret", "/open/hard") == 0)) == 1);
	set("fs/protected_hardlinks", "1");

	AS_USER(close(open("/open/file", O_CREAT | O_RDWR, 0666)); mkfifo("/open/fifo", 0666));
	CHECK("what another made is opened", open("/open/file", O_CREAT | O_RDWR, 0666) >= 0);
	set("fs/protected_regular", "1");
	set("fs/protected_fifos", "1");
	CHECK_ERRNO("but not where one would have made it",
		    open("/open/file", O_CREAT | O_RDWR, 0666), EACCES);
	CHECK_ERRNO("nor a fifo", open("/open/fifo", O_CREAT | O_RDWR, 0666), EACCES);
	CHECK("without O_CREAT it is", open("/open/file", O_RDWR) >= 0);
	set("fs/protected_regular", "0");
	set("fs/protected_fifos", "0");

	set("fs/nr_open", "100");
	struct rlimit r = { 200, 200 };
	CHECK_ERRNO("descriptors end at nr_open", setrlimit(RLIMIT_NOFILE, &r), EPERM);
	set("fs/nr_open", "1048576");

	long most = 0;
	sscanf(get("fs/file-nr"), "%ld", &most);
	char limit[32];
	snprintf(limit, sizeof limit, "%ld", most + 8);
	char old[64];
	snprintf(old, sizeof old, "%s", get("fs/file-max"));
	set("fs/file-max", limit);
	CHECK("users have no more open files than file-max", AS_USER(
		int n = 0;
		while (n < 100 && open("/target", O_RDONLY) >= 0) n++;
		_exit(n <= 9 && errno == ENFILE)) == 1);
	int n = 0;
	int fds[20];
	while (n < 20 && (fds[n] = open("/target", O_RDONLY)) >= 0) n++;
	CHECK("root has", n == 20);
	while (n > 0) close(fds[--n]);
	set("fs/file-max", old);

	set("fs/pipe-user-pages-soft", "32");
	CHECK("pipes of who has many are small", AS_USER(
		int a[2], b[2], c[2];
		if (pipe(a) || pipe(b) || pipe(c)) _exit(2);
		_exit(fcntl(a[0], F_GETPIPE_SZ) == 65536 && fcntl(c[0], F_GETPIPE_SZ) == 8192 &&
		      fcntl(c[0], F_SETPIPE_SZ, 65536) == -1 && errno == EPERM)) == 1);
	set("fs/pipe-user-pages-soft", "16384");
	set("fs/pipe-user-pages-hard", "20");
	CHECK("or there are none", AS_USER(
		int a[2], b[2];
		_exit(pipe(a) == 0 && pipe(b) == -1 && errno == ENFILE)) == 1);
	set("fs/pipe-user-pages-hard", "0");

	set("fs/epoll/max_user_watches", "3");
	CHECK("watches of epoll are counted for each user", AS_USER(
		struct epoll_event e = { .events = EPOLLIN };
		int p[2], q[2], one = epoll_create1(0), two = epoll_create1(0);
		if (pipe(p) || pipe(q)) _exit(2);
		int good = !epoll_ctl(one, EPOLL_CTL_ADD, p[0], &e) && !epoll_ctl(two, EPOLL_CTL_ADD, p[0], &e) &&
			!epoll_ctl(one, EPOLL_CTL_ADD, q[0], &e) && epoll_ctl(two, EPOLL_CTL_ADD, q[0], &e) == -1 &&
			errno == ENOSPC;
		close(one);
		_exit(good && !epoll_ctl(two, EPOLL_CTL_ADD, q[0], &e))) == 1);
	set("fs/epoll/max_user_watches", "100000");

	CHECK("inotify's limits have two names", set("user/max_inotify_instances", "2") == 1 &&
	      IS("fs/inotify/max_user_instances", "2"));
	CHECK("and hold", AS_USER(_exit(inotify_init() >= 0 && inotify_init() >= 0 &&
					inotify_init() == -1 && errno == EMFILE)) == 1);
	set("fs/inotify/max_user_instances", "128");
}

static void memory(void)
{
	set("vm/max_map_count", "64");
	CHECK("maps are limited", AS_USER(
		int n = 0;
		while (n < 200 && mmap(0, 4096, n % 2 ? PROT_READ : PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				       -1, 0) != MAP_FAILED) n++;
		_exit(n < 64 && errno == ENOMEM)) == 1);
	set("vm/max_map_count", "65530");

	const size_t much = 4ul << 30;
	const int how = MAP_PRIVATE | MAP_ANONYMOUS;
	CHECK("what can never be had is refused",
	      mmap(0, much, PROT_WRITE, how, -1, 0) == MAP_FAILED && errno == ENOMEM);
	set("vm/overcommit_memory", "1");
	void *most = mmap(0, much, PROT_WRITE, how, -1, 0);
	CHECK("or is not", most != MAP_FAILED);
	set("vm/overcommit_memory", "2");
	CHECK_ERRNO("or promises are kept: the child would have as many again", fork(), ENOMEM);
	munmap(most, much);
	CHECK("half of memory and no more half of memory and no more", AS_USER(
		const size_t piece = 4 << 20;
		size_t sum = 0;
		while (sum < much && mmap(0, piece, PROT_WRITE, how | MAP_NORESERVE, -1, 0) != MAP_FAILED)
			sum += piece;
		_exit(sum < (70 << 20) && errno == ENOMEM)) == 1);
	set("vm/overcommit_memory", "0");
}

static void rights(void)
{
	CHECK("users read the log", AS_USER(_exit(klogctl(10, 0, 0) > 0)) == 1);
	set("kernel/dmesg_restrict", "1");
	CHECK("unless it is restricted", AS_USER(_exit(klogctl(10, 0, 0) == -1 && errno == EPERM)) == 1);
	set("kernel/dmesg_restrict", "0");

	CHECK("users make user name spaces", AS_USER(_exit(unshare(CLONE_NEWUSER) == 0)) == 1);
	set("kernel/unprivileged_userns_clone", "0");
	CHECK("unless they may not",
	      AS_USER(_exit(unshare(CLONE_NEWUSER) == -1 && errno == EPERM)) == 1);
	set("kernel/unprivileged_userns_clone", "1");

	set("fs/suid_dumpable", "2");
	CHECK("suid_dumpable is what processes become that change their ids",
	      AS_USER(_exit(prctl(PR_GET_DUMPABLE) == 2)) == 1);
	set("fs/suid_dumpable", "0");
	CHECK("or not dumpable at all", AS_USER(_exit(prctl(PR_GET_DUMPABLE) == 0)) == 1);

	set("kernel/overflowuid", "4711");
	CHECK("who has no name in a name space has this number",
	      AS_USER(if (unshare(CLONE_NEWUSER)) _exit(2); _exit(getuid() == 4711)) == 1);
	set("kernel/overflowuid", "65534");
}

static int shared(void)
{
	return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
}

static int is_there(int id)
{
	struct shmid_ds d;
	return shmctl(id, IPC_STAT, &d) == 0;
}

static void objects(void)
{
	struct stat st;
	set("vm/memfd_noexec", "1");
	int fd = memfd_create("m", 0);
	CHECK("files in memory cannot be run, if nobody says so", fstat(fd, &st) == 0 && (st.st_mode & 0111) == 0);
	close(fd);
	fd = memfd_create("m", 16);
	CHECK("else they can", fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0111) == 0111);
	close(fd);
	set("vm/memfd_noexec", "2");
	CHECK_ERRNO("or never", memfd_create("m", 16), EACCES);
	set("vm/memfd_noexec", "0");

	int ids[2], p[2];
	CHECK(pipe(p) == 0);
	if (fork() == 0) {
		ids[0] = shared();
		_exit(write(p[1], ids, sizeof ids) < 0);
	}
	wait(0);
	CHECK(read(p[0], ids, sizeof ids) == sizeof ids);
	int own = shared();
	CHECK("shared memory outlives who made it", is_there(ids[0]));
	set("kernel/shm_rmid_forced", "1");
	CHECK("unless removal is forced", !is_there(ids[0]));
	CHECK("who made this is still here", is_there(own));
	void *at = shmat(own, NULL, 0);
	CHECK("it goes with its last attachment", at != (void *)-1 && shmdt(at) == 0 && !is_there(own));
	if (fork() == 0) {
		ids[0] = shared();
		_exit(write(p[1], ids, sizeof ids) < 0);
	}
	wait(0);
	CHECK(read(p[0], ids, sizeof ids) == sizeof ids);
	CHECK("or with its maker", !is_there(ids[0]));
	set("kernel/shm_rmid_forced", "0");

	/* Cores of who has changed his ids: none, or for root at a place of its own. */
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };
	setrlimit(RLIMIT_CORE, &r);
	set("kernel/core_pattern", "/core.suid");
	AS_USER(abort());
	CHECK("who has changed his ids leaves no core", stat("/core.suid", &st) == -1);
	set("fs/suid_dumpable", "2");
	AS_USER(abort());
	CHECK("or one for root", stat("/core.suid", &st) == 0 && st.st_uid == 0 && (st.st_mode & 0777) == 0600);
	unlink("/core.suid");
	set("kernel/core_pattern", "core.suid");
	AS_USER(abort());
	CHECK("and none where he is", stat("core.suid", &st) == -1);
	set("fs/suid_dumpable", "0");
	set("kernel/core_pattern", "core");
}

static void messages(void)
{
	static char log[1 << 18];
	klogctl(5, 0, 0);
	if (fork() == 0) { *(volatile int *)0x123000 = 1; _exit(0); }
	wait(0);
	int n = klogctl(3, log, sizeof log - 1);
	log[n < 0 ? 0 : n] = 0;
	CHECK("a program that goes wrong is told of", strstr(log, "unhandled signal 11 code 0x1 at 0x0000000000123000"));
	set("debug/exception-trace", "0");
	set("kernel/print-fatal-signals", "1");
	klogctl(5, 0, 0);
	if (fork() == 0) { kill(getpid(), SIGQUIT); _exit(0); }
	wait(0);
	n = klogctl(3, log, sizeof log - 1);
	log[n < 0 ? 0 : n] = 0;
	CHECK("or who is killed", strstr(log, "potentially unexpected fatal signal 3.") &&
	      !strstr(log, "unhandled"));
	CHECK("messages of programs can be kept away", set("kernel/printk_devkmsg", "off") == 3 &&
	      open("/dev/kmsg", O_WRONLY) == -1 && errno == EPERM && set("kernel/printk_devkmsg", "on") == 2);
	CHECK_ERRNO("or not", set("kernel/printk_devkmsg", "maybe"), EINVAL);
}

int main(void)
{
	values();
	files();
	memory();
	rights();
	objects();
	messages();
	return t_failed != 0;
}
