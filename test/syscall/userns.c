/* User name spaces: maps of ids, who may write them, and what capabilities in there are good for. */
#include "t.h"
#include "put.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>

#define NS_GET_USERNS 0xb701
#define NS_GET_PARENT 0xb702
#define NS_GET_NSTYPE 0xb703
#define NS_GET_OWNER_UID 0xb704

static int isRoot;
static uid_t me;
static gid_t myGroup;

/* Becomes somebody without privileges, who may look at himself. */
static void drop(void)
{
	isRoot = geteuid() == 0;
	if (isRoot) {
		if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000)) _exit(9);
		prctl(PR_SET_DUMPABLE, 1);
	}
	me = geteuid();
	myGroup = getegid();
}

static int putf(const char *path, int a, int b, int c)
{
	char s[64];
	snprintf(s, sizeof s, "%d %d %d", a, b, c);
	return put(path, s);
}

static char *get(const char *path)
{
	static char buf[4096];
	int fd = open(path, O_RDONLY);
	int n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
	if (fd >= 0) close(fd);
	buf[n < 0 ? 0 : n] = 0;
	return buf;
}

static int hasCap(int cap)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];
	if (syscall(SYS_capget, &h, d) != 0) return -1;
	return d[cap / 32].effective >> (cap % 32) & 1;
}

static void run(void (*f)(void))
{
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		drop();
		f();
		printf("# %d\n", t_failed);
		fflush(stdout);
		_exit(t_failed ? 1 : 0);
	}
	int status;
	waitpid(pid, &status, 0);
	if (status != 0) t_failed++;
}

static void fresh(void)
{
	CHECK("a user name space", unshare(CLONE_NEWUSER) == 0);
	CHECK("nobody at first", getuid() == 65534 && geteuid() == 65534 && getgid() == 65534);
	CHECK("with every capability", hasCap(CAP_SYS_ADMIN) == 1 && hasCap(CAP_SETUID) == 1 && hasCap(CAP_NET_RAW) == 1);
	CHECK("and no map", strcmp(get("/proc/self/uid_map"), "") == 0);
	CHECK("setgroups to be decided on", strcmp(get("/proc/self/setgroups"), "allow\n") == 0);
	CHECK_ERRNO("setgroups before gid_map", setgroups(0, NULL), EPERM);
	CHECK_ERRNO("setuid to nobody that is known", setuid(0), EINVAL);
	CHECK_ERRNO("gid_map while groups could be dropped", putf("/proc/self/gid_map", 0, myGroup, 1), EPERM);
	CHECK_ERRNO("a map of two", putf("/proc/self/uid_map", 0, me, 2), EPERM);
	CHECK_ERRNO("somebody else", putf("/proc/self/uid_map", 0, me + 1, 1), EPERM);
	CHECK_ERRNO("the outer root", putf("/proc/self/uid_map", 0, 0, 1), EPERM);
	CHECK_ERRNO("no numbers", put("/proc/self/uid_map", "a b c"), EINVAL);
	CHECK_ERRNO("a count of nothing", putf("/proc/self/uid_map", 0, me, 0), EINVAL);
	CHECK_ERRNO("an empty line", put("/proc/self/uid_map", "0 1000 1\n\n"), EINVAL);
	CHECK_ERRNO("overlapping", put("/proc/self/uid_map", "0 1000 1\n0 1001 1\n"), EINVAL);
	CHECK("myself as root", putf("/proc/self/uid_map", 0, me, 1) == 0);
	CHECK("root, then", getuid() == 0 && geteuid() == 0);
	CHECK_ERRNO("once only", putf("/proc/self/uid_map", 0, me, 1), EPERM);
	CHECK("setgroups denied", put("/proc/self/setgroups", "deny") == 0);
	CHECK_ERRNO("for good", put("/proc/self/setgroups", "allow"), EPERM);
	CHECK_ERRNO("no other words", put("/proc/self/setgroups", "maybe"), EINVAL);
	CHECK("now gid_map", putf("/proc/self/gid_map", 0, myGroup, 1) == 0);
	CHECK_ERRNO("no setgroups", setgroups(0, NULL), EPERM);
	CHECK("root's group", getgid() == 0);
	CHECK_ERRNO("no other user to become", setuid(1), EINVAL);
	char want[64];
	snprintf(want, sizeof want, "         0 %10u          1\n", me);
	CHECK("the map as the parent knows it", strcmp(get("/proc/self/uid_map"), want) == 0);
	CHECK("projects need no privilege", putf("/proc/self/projid_map", 0, 5, 10) == 0);
}

static void enter(void)
{
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(putf("/proc/self/uid_map", 0, me, 1) == 0);
	CHECK(put("/proc/self/setgroups", "deny") == 0);
	CHECK(putf("/proc/self/gid_map", 0, myGroup, 1) == 0);
}

static void files(void)
{
	struct stat st;
	enter();
	CHECK("root's files are nobody's", stat("/etc", &st) == 0 && st.st_uid == 65534 && st.st_gid == 65534);
	char dir[] = "/tmp/userns.XXXXXX";
	CHECK("mine are root's", mkdtemp(dir) && stat(dir, &st) == 0 && st.st_uid == 0 && st.st_gid == 0);
	char name[64];
	snprintf(name, sizeof name, "%s/f", dir);
	close(open(name, O_CREAT | O_WRONLY, 0));
	int fd = open(name, O_RDWR);
	CHECK("root passes over permissions of his own", fd >= 0);
	close(fd);
	CHECK_ERRNO("but not of others", open("/proc/sys/kernel/hostname", O_WRONLY), EACCES);
	CHECK_ERRNO("given to whom nobody knows", chown(name, 7, -1), EINVAL);
	CHECK("given to oneself", chown(name, 0, 0) == 0);
	CHECK_ERRNO("not others' files", chown("/etc", 0, 0), EPERM);
	CHECK_ERRNO("nor modes", chmod("/etc", 0777), EPERM);
	CHECK_ERRNO("no devices", mknod("/tmp/userns.dev", S_IFCHR | 0666, makedev(1, 3)), EPERM);
	CHECK_ERRNO("trusted attributes", setxattr(name, "trusted.a", "1", 1, 0), EPERM);
	unlink(name);
	rmdir(dir);
	CHECK_ERRNO("nor the machine's name", sethostname("x", 1), EPERM);
	CHECK_ERRNO("nor its time", settimeofday(&(struct timeval){ 1, 0 }, NULL), EPERM);
	struct rlimit r;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_max = r.rlim_cur = r.rlim_max + 1;
	CHECK_ERRNO("nor its limits", setrlimit(RLIMIT_NOFILE, &r), EPERM);
	CHECK_ERRNO("nor priorities", setpriority(PRIO_PROCESS, getppid(), -5) == 0 ? 0 : (errno = errno == EACCES ? EPERM : errno, -1), EPERM);
	CHECK_ERRNO("no mounts where others made them", mount("none", "/tmp", "tmpfs", 0, NULL), EPERM);
	CHECK_ERRNO("no other root without being root of it", chroot("/nowhere"), ENOENT);
	CHECK("chroot", chroot("/") == 0);
}

static void others(void)
{
	int pid, status, to[2], back[2];
	char c;
	CHECK(pipe(to) == 0 && pipe(back) == 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_DUMPABLE, 1);
		int r = unshare(CLONE_NEWUSER) == 0;
		t_must(write(back[1], &r, 1) == 1 && read(to[0], &c, 1) == 1, "pipes", __LINE__);
		_exit(getuid() == 0 && kill(getppid(), 0) == 0 ? 0 : 1);
	}
	CHECK("a child goes there", read(back[0], &c, 1) == 1 && c == 1);
	char path[64], *map;
	snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
	CHECK("its maker may map itself", putf(path, 0, me, 1) == 0);
	map = get(path);
	char want[64];
	snprintf(want, sizeof want, "         0 %10u          1\n", me);
	CHECK("and sees the map in its own terms", strcmp(map, want) == 0);
	CHECK("go on", write(to[1], "x", 1) == 1 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void nested(void)
{
	enter();
	int depth = 1;
	while (depth < 40) {
		if (unshare(CLONE_NEWUSER) != 0) break;
		if (putf("/proc/self/uid_map", 0, 0, 1) != 0 || putf("/proc/self/gid_map", 0, 0, 1) != 0) break;
		depth++;
	}
	CHECK("no deeper", errno == ENOSPC || errno == EUSERS);
	printf("# depth %d\n", depth);
	CHECK("still root", getuid() == 0);
}

static void related(void)
{
	int old = open("/proc/self/ns/user", O_RDONLY), uts = open("/proc/self/ns/uts", O_RDONLY), fd;
	uid_t owner;
	CHECK("the type of a name space", ioctl(old, NS_GET_NSTYPE) == CLONE_NEWUSER && ioctl(uts, NS_GET_NSTYPE) == CLONE_NEWUTS);
	CHECK_ERRNO("a parent out of sight", ioctl(old, NS_GET_PARENT), EPERM);
	CHECK_ERRNO("no tree of those", ioctl(uts, NS_GET_PARENT), EINVAL);
	CHECK_ERRNO("only users have owners", ioctl(uts, NS_GET_OWNER_UID, &owner), EINVAL);
	enter();
	int now = open("/proc/self/ns/user", O_RDONLY);
	CHECK("its owner", ioctl(now, NS_GET_OWNER_UID, &owner) == 0 && owner == 0);
	CHECK_ERRNO("its parent is out of sight", ioctl(now, NS_GET_PARENT), EPERM);
	CHECK_ERRNO("that of the machine's name, too", ioctl(uts, NS_GET_USERNS), EPERM);
	CHECK_ERRNO("setns to where one is", setns(now, CLONE_NEWUSER), EINVAL);
	CHECK_ERRNO("no way back up", setns(old, CLONE_NEWUSER), EPERM);
	CHECK_ERRNO("nor to what belongs there", setns(uts, 0), EPERM);
	CHECK("a name of one's own", unshare(CLONE_NEWUTS) == 0 && sethostname("inside", 6) == 0);
	int mine = open("/proc/self/ns/uts", O_RDONLY);
	fd = ioctl(mine, NS_GET_USERNS);
	struct stat a, b;
	CHECK("belongs to this user name space", fd >= 0 && fstat(fd, &a) == 0 && fstat(now, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	int pid = fork();
	if (pid == 0) {
		char name[65];
		if (unshare(CLONE_NEWUSER) || unshare(CLONE_NEWUTS) || sethostname("further", 7)) _exit(1);
		gethostname(name, sizeof name);
		_exit(strcmp(name, "further") != 0);
	}
	int status;
	char name[65];
	CHECK("a child goes further", waitpid(pid, &status, 0) == pid && status == 0);
	gethostname(name, sizeof name);
	CHECK("its name is its own", strcmp(name, "inside") == 0);
	int th = unshare(CLONE_NEWUSER);
	CHECK("who made it may come back in", th == 0 && setns(now, 0) == -1 && errno == EPERM);
}

static void sockets(void)
{
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	int on = 1;
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
	int pid = fork();
	if (pid == 0) {
		enter();
		_exit(send(s[0], "x", 1, 0) != 1);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	char buf[256], c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf };
	CHECK(recvmsg(s[1], &m, 0) == 1);
	struct ucred *u = (struct ucred *)CMSG_DATA(CMSG_FIRSTHDR(&m));
	CHECK("root inside is known for who he is outside", u->uid == me && u->gid == myGroup);
	pid = fork();
	if (pid == 0) {
		enter();
		struct ucred peer;
		socklen_t n = sizeof peer;
		t_must(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0, "SO_PEERCRED", __LINE__);
		_exit(peer.uid != 0 || peer.gid != 0);
	}
	CHECK("and the other way around", waitpid(pid, &status, 0) == pid && status == 0);
}

static void mounts(void)
{
	struct stat st;
	enter();
	char dir[] = "/tmp/userns.XXXXXX", sub[64];
	CHECK(mkdtemp(dir) != NULL);
	CHECK("mounts of one's own", unshare(CLONE_NEWNS) == 0);
	CHECK("a tmpfs", mount("none", dir, "tmpfs", 0, NULL) == 0);
	CHECK("is its maker's", stat(dir, &st) == 0 && st.st_uid == 0 && st.st_gid == 0 && (st.st_mode & 07777) == 01777);
	snprintf(sub, sizeof sub, "%s/null", dir);
	CHECK_ERRNO("without devices", mknod(sub, S_IFCHR | 0666, makedev(1, 3)), EPERM);
	CHECK_ERRNO("no file system of disks", mount("/dev/null", dir, "ext4", 0, NULL), EPERM);
	CHECK_ERRNO("what came from outside stays where it is", umount2("/proc", MNT_DETACH), EINVAL);
	CHECK_ERRNO("tmpfs for whom nobody knows", mount("none", dir, "tmpfs", 0, "uid=5"), EINVAL);
	CHECK("what one mounted can go", umount(dir) == 0);
	CHECK_ERRNO("a part without what covers it", mount("/", dir, NULL, MS_BIND, NULL), EINVAL);
	CHECK("the whole with all on it", mount("/", dir, NULL, MS_BIND | MS_REC, NULL) == 0);
	CHECK("can go again", umount2(dir, MNT_DETACH) == 0);
	CHECK("set-id counts for nothing of strangers", 1);
	CHECK_ERRNO("processes of others cannot be shown", mount("proc", dir, "proc", 0, NULL), EPERM);
	rmdir(dir);
}

int main(void)
{
	int pid = fork(), status;
	if (pid == 0) {
		drop();
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : T_NOT_HERE);
	}
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == T_NOT_HERE) return T_NOT_HERE;
	run(fresh);
	run(files);
	run(others);
	run(nested);
	run(related);
	run(sockets);
	run(mounts);
	return t_end();
}
