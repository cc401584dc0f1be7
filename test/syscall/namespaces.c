/* Name spaces of the machine's name, IPC, time, networks and mounts; the files that stand for them; limits. */
#include "t.h"
#include "ownusers.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>

static char *get(const char *path)
{
	static char buf[8192];
	int fd = open(path, O_RDONLY);
	int n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
	if (fd >= 0) close(fd);
	buf[n < 0 ? 0 : n] = 0;
	return buf;
}

static char *linkOf(const char *name)
{
	static char buf[2][64];
	static int i;
	char path[64];
	i = !i;
	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	int n = readlink(path, buf[i], 63);
	buf[i][n < 0 ? 0 : n] = 0;
	return buf[i];
}

/* Runs `f` in a child; what fails there fails here. */
static void apart(void (*f)(void))
{
	fflush(stdout);
	int pid = fork(), status;
	if (pid == 0) {
		f();
		printf("# %d checks\n", t_count);
		fflush(stdout);
		_exit(t_failed != 0);
	}
	waitpid(pid, &status, 0);
	if (status != 0) t_failed++;
}

static void flags(void)
{
	CHECK_ERRNO("no such flag", unshare(0x4), EINVAL);
	CHECK_ERRNO("signals are no name space", unshare(CLONE_NEWUTS | 1), EINVAL);
	CHECK("nothing to do", unshare(0) == 0);
	CHECK_ERRNO("IPC together with its semaphores", syscall(SYS_clone, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO("mounts with a shared root", syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO("users with a shared root", syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
	int fd = open("/dev/null", O_RDONLY);
	CHECK_ERRNO("setns to a file of another kind", setns(fd, 0), EINVAL);
	CHECK_ERRNO("setns to none", setns(999, 0), EBADF);
	int uts = open("/proc/self/ns/uts", O_RDONLY);
	CHECK_ERRNO("of another type than said", setns(uts, CLONE_NEWIPC), EINVAL);
	CHECK_ERRNO("to what others own", setns(uts, CLONE_NEWUTS), EPERM);
	CHECK_ERRNO("written to", open("/proc/self/ns/uts", O_RDWR), EPERM);
	struct stat a, b;
	CHECK("two files of one name space are one", stat("/proc/self/ns/uts", &a) == 0 && stat("/proc/1/ns/uts", &b) != 0 ? errno == EACCES : a.st_ino == b.st_ino);
	CHECK("an unknown request", ioctl(uts, 0xb7ff) == -1 && errno == ENOTTY);
}

static void names(void)
{
	char host[65] = "", s[65] = "";
	struct utsname u;
	gethostname(host, sizeof host);
	CHECK("a name of one's own", unshare(CLONE_NEWUTS) == 0);
	CHECK("begins with what it was", gethostname(s, sizeof s) == 0 && strcmp(s, host) == 0);
	CHECK("another", sethostname("elsewhere", 9) == 0 && setdomainname("some.where", 10) == 0);
	CHECK("is told by uname", uname(&u) == 0 && strcmp(u.nodename, "elsewhere") == 0);
	CHECK("and by sysctls", strcmp(get("/proc/sys/kernel/hostname"), "elsewhere\n") == 0 && strcmp(get("/proc/sys/kernel/domainname"), "some.where\n") == 0);
	int old = open("/proc/self/ns/uts", O_RDONLY);
	int pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUTS) || sethostname("further", 7) || setns(old, CLONE_NEWUTS)) _exit(1);
		gethostname(s, sizeof s);
		_exit(strcmp(s, "elsewhere") != 0);
	}
	int status;
	CHECK("away and back", waitpid(pid, &status, 0) == pid && status == 0);
	CHECK("out of a thread alone", syscall(SYS_gettid) == getpid());
}

static void *elsewhere(void *arg)
{
	*(int *)arg = unshare(CLONE_NEWUTS) == 0 && sethostname("thread", 6) == 0;
	return NULL;
}

static void *toUsers(void *arg)
{
	errno = 0;
	*(int *)arg = unshare(CLONE_NEWUSER) == -1 && errno == EINVAL;
	return NULL;
}

static void threads(void)
{
	pthread_t t;
	int r = 0;
	char s[65], before[65];
	gethostname(before, sizeof before);
	CHECK("a thread goes elsewhere", pthread_create(&t, NULL, elsewhere, &r) == 0 && pthread_join(t, NULL) == 0 && r == 1);
	gethostname(s, sizeof s);
	CHECK("alone", strcmp(s, before) == 0);
	CHECK("but not to other users", pthread_create(&t, NULL, toUsers, &r) == 0 && pthread_join(t, NULL) == 0 && r == 1);
}

static void ipc(void)
{
	CHECK(unshare(CLONE_NEWIPC) == 0);
	int id = shmget(0x4e53, 4096, IPC_CREAT | 0600);
	CHECK("a segment", id >= 0);
	char *at = shmat(id, NULL, 0);
	strcpy(at, "kept");
	CHECK("IPC of one's own", unshare(CLONE_NEWIPC) == 0);
	CHECK_ERRNO("without it", shmget(0x4e53, 4096, 0600), ENOENT);
	CHECK_ERRNO("whatever number it had", shmat(id, NULL, 0) == (void *)-1 ? -1 : 0, EINVAL);
	CHECK("what is attached stays", strcmp(at, "kept") == 0 && shmdt(at) == 0);
	CHECK("another of that key", shmget(0x4e53, 8192, IPC_CREAT | 0600) >= 0);
	CHECK("limits are its own", put("/proc/sys/kernel/shmmni", "7") == 0 && strcmp(get("/proc/sys/kernel/shmmni"), "7\n") == 0);
	struct mq_attr a = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	mqd_t q = mq_open("/namespaces.q", O_CREAT | O_RDWR, 0600, &a);
	CHECK("a queue", q != (mqd_t)-1 && mq_send(q, "x", 1, 0) == 0);
	int pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWIPC)) _exit(1);
		if (mq_open("/namespaces.q", O_RDWR) != (mqd_t)-1 || errno != ENOENT) _exit(2);
		if (strcmp(get("/proc/sys/kernel/shmmni"), "7\n") == 0) _exit(3);
		if (strchr(get("/proc/sysvipc/shm"), '\n')[1]) _exit(4);
		char c[16];
		_exit(mq_receive(q, c, 16, NULL) != 1);
	}
	int status;
	CHECK("is not there for others, but open it works", waitpid(pid, &status, 0) == pid && status == 0);
	mq_unlink("/namespaces.q");
}

static void clocks(void)
{
	struct timespec was, now;
	char first[64];
	strcpy(first, linkOf("time"));
	CHECK("time for children", unshare(CLONE_NEWTIME) == 0 && strcmp(linkOf("time"), first) == 0 && strcmp(linkOf("time_for_children"), first + 0) != 0);
	CHECK("without offsets", strcmp(get("/proc/self/timens_offsets"), "monotonic           0         0\nboottime            0         0\n") == 0);
	CHECK_ERRNO("no such clock", put("/proc/self/timens_offsets", "realtime 1 0"), EINVAL);
	CHECK_ERRNO("no words", put("/proc/self/timens_offsets", "monotonic x 0"), EINVAL);
	CHECK_ERRNO("before the boot", put("/proc/self/timens_offsets", "monotonic -4000000000 0"), ERANGE);
	CHECK("ahead", put("/proc/self/timens_offsets", "monotonic 1000000 5\nboottime 2000000 0\n") == 0);
	CHECK("is shown", strcmp(get("/proc/self/timens_offsets"), "monotonic     1000000         5\nboottime      2000000         0\n") == 0);
	clock_gettime(CLOCK_MONOTONIC, &was);
	CHECK("not for oneself", was.tv_sec < 1000000 + 100000000);
	int pid = fork(), status;
	if (pid == 0) {
		struct timespec raw;
		struct sysinfo si;
		clock_gettime(CLOCK_MONOTONIC, &now);
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &raw);
		if (now.tv_sec - was.tv_sec < 1000000 || now.tv_sec - was.tv_sec > 1000060) _exit(1);
		if (raw.tv_sec - now.tv_sec < 0 || raw.tv_sec - now.tv_sec > 60) _exit(2);
		clock_gettime(CLOCK_BOOTTIME, &raw);
		if (raw.tv_sec < 2000000) _exit(3);
		if (sysinfo(&si) != 0 || si.uptime < 2000000) _exit(4);
		if (atof(get("/proc/uptime")) < 2000000) _exit(5);
		now.tv_nsec += 20000000;
		if (now.tv_nsec >= 1000000000) now.tv_nsec -= 1000000000, now.tv_sec++;
		if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL) != 0) _exit(6);
		clock_gettime(CLOCK_MONOTONIC, &raw);
		if (raw.tv_sec < now.tv_sec || raw.tv_sec > now.tv_sec + 60) _exit(7);
		if (put("/proc/self/timens_offsets", "monotonic 1 0") != -1 || errno != EACCES) _exit(8);
		_exit(0);
	}
	CHECK("for a child, with the vDSO and without", waitpid(pid, &status, 0) == pid && status == 0);
	if (status) printf("# status %x\n", status);
	CHECK_ERRNO("fixed from then on", put("/proc/self/timens_offsets", "monotonic 1 0"), EACCES);
	int fd = open("/proc/self/ns/time_for_children", O_RDONLY);
	CHECK("setns takes one there oneself", setns(fd, CLONE_NEWTIME) == 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	CHECK("at once", now.tv_sec - was.tv_sec >= 1000000 && now.tv_sec - was.tv_sec < 1000060);
}

static void networks(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "namespaces.%d", getpid());
	socklen_t n = sizeof(sa_family_t) + 1 + strlen(a.sun_path + 1);
	int here = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK("an abstract name", bind(here, (void *)&a, n) == 0 && listen(here, 1) == 0);
	int before = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK("a network of one's own", unshare(CLONE_NEWNET) == 0);
	int there = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO("does not know it", connect(there, (void *)&a, n), ECONNREFUSED);
	CHECK("has it free", bind(there, (void *)&a, n) == 0);
	CHECK("a socket stays where it was made", connect(before, (void *)&a, n) == 0);
	CHECK("its own unix sockets only", strstr(get("/proc/self/net/unix"), a.sun_path + 1) != NULL);
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK("an Internet socket", s >= 0);
	CHECK("its own tunables", put("/proc/sys/net/ipv4/ip_forward", "1") == 0 && strcmp(get("/proc/sys/net/ipv4/ip_forward"), "1\n") == 0);
}

static void mounts(void)
{
	char dir[] = "/tmp/namespaces.XXXXXX", a[64], b[64];
	CHECK(mkdtemp(dir) != NULL);
	snprintf(a, sizeof a, "%s/a", dir);
	snprintf(b, sizeof b, "%s/b", dir);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", dir, "tmpfs", 0, NULL) == 0 && mkdir(a, 0755) == 0 && mkdir(b, 0755) == 0);
	CHECK(mount("none", a, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) == 0);
	/* A less privileged name space. */
	CHECK("users within", unshare(CLONE_NEWUSER) == 0 && put("/proc/self/uid_map", "0 0 1") == 0 && put("/proc/self/gid_map", "0 0 1") == 0);
	CHECK_ERRNO("the mounts are not theirs", mount("none", b, "tmpfs", 0, NULL), EPERM);
	CHECK("until they have their own", unshare(CLONE_NEWNS) == 0 && mount("none", b, "tmpfs", 0, NULL) == 0);
	CHECK_ERRNO("what came along stays", umount(a), EINVAL);
	CHECK_ERRNO("lazily, too", umount2(a, MNT_DETACH), EINVAL);
	CHECK_ERRNO("where it is", mount(a, b, NULL, MS_MOVE, NULL), EINVAL);
	CHECK_ERRNO("and what it is", mount(NULL, a, NULL, MS_REMOUNT | MS_BIND, NULL), EPERM);
	CHECK_ERRNO("in every respect", mount(NULL, a, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOSUID, NULL), EPERM);
	CHECK("the same is no change", mount(NULL, a, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL) == 0);
	CHECK_ERRNO("what lies beneath", mount(dir, b, NULL, MS_BIND, NULL), EINVAL);
	CHECK("all together", mount(dir, b, NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK("can go", umount2(b, MNT_DETACH) == 0);
	CHECK("and what they mounted", umount(b) == 0);
	CHECK_ERRNO("one by one it is locked again", (mount(dir, b, NULL, MS_BIND | MS_REC, NULL), snprintf(b, sizeof b, "%s/b/a", dir), umount(b)), EINVAL);
	CHECK_ERRNO("sysfs of others' networks", mount("none", a, "sysfs", 0, NULL), EPERM);
	CHECK_ERRNO("queues of others' IPC", mount("none", a, "mqueue", 0, NULL), EPERM);
	CHECK("with one's own", unshare(CLONE_NEWIPC) == 0 && mount("none", a, "mqueue", 0, NULL) == 0);
}

static void limits(void)
{
	CHECK(unshare(CLONE_NEWUSER) == 0 && put("/proc/self/uid_map", "0 0 1") == 0 && put("/proc/self/gid_map", "0 0 1") == 0);
	CHECK("no more name spaces of a kind", put("/proc/sys/user/max_uts_namespaces", "2") == 0);
	CHECK("one", unshare(CLONE_NEWUTS) == 0);
	int kept = open("/proc/self/ns/uts", O_RDONLY);
	CHECK("two", unshare(CLONE_NEWUTS) == 0);
	CHECK_ERRNO("three", unshare(CLONE_NEWUTS), ENOSPC);
	CHECK_ERRNO("nor with others", unshare(CLONE_NEWIPC | CLONE_NEWUTS), ENOSPC);
	CHECK("users within", unshare(CLONE_NEWUSER) == 0 && put("/proc/self/uid_map", "0 0 1") == 0);
	CHECK_ERRNO("nor there", unshare(CLONE_NEWUTS), ENOSPC);
	close(kept);
	CHECK("until one ends", unshare(CLONE_NEWUTS) == 0);
}

int main(void)
{
	ownUsers();
	apart(flags);
	apart(names);
	apart(threads);
	apart(ipc);
	apart(clocks);
	apart(networks);
	apart(mounts);
	apart(limits);
	return t_end();
}
