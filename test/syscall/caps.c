/*
 * Capabilities at execve and by capset, prctl and files: against the formulas of capabilities(7),
 * whatever the bounding set is at the beginning. Needs root, and extended attributes on files.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "t.h"

#define BIT(c) (1ull << (c))
#define CAPS "security.capability"

struct sets {
	uint64_t effective, permitted, inheritable, ambient, bounding;
	int secure, dumpable, securebits, uid, euid;
};

static char copy[PATH_MAX];
static struct sets after;

static int capget3(uint64_t *e, uint64_t *p, uint64_t *i, pid_t pid)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, pid};
	struct __user_cap_data_struct d[2];
	if (syscall(SYS_capget, &h, d)) return -1;
	*e = d[0].effective | (uint64_t)d[1].effective << 32;
	*p = d[0].permitted | (uint64_t)d[1].permitted << 32;
	*i = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	return 0;
}

static int capset3(uint64_t e, uint64_t p, uint64_t i)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{e, p, i}, {e >> 32, p >> 32, i >> 32}};
	return syscall(SYS_capset, &h, d);
}

static struct sets now(void)
{
	struct sets s = {0};
	CHECK(capget3(&s.effective, &s.permitted, &s.inheritable, 0) == 0);
	for (int c = 0; c < 64; c++) {
		if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1) s.bounding |= BIT(c);
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1) s.ambient |= BIT(c);
	}
	s.secure = getauxval(AT_SECURE);
	s.dumpable = prctl(PR_GET_DUMPABLE);
	s.securebits = prctl(PR_GET_SECUREBITS);
	s.uid = getuid();
	s.euid = geteuid();
	return s;
}

static void grant(uint64_t p, uint64_t i, int effective)
{
	struct vfs_cap_data v = {VFS_CAP_REVISION_2 | (effective ? VFS_CAP_FLAGS_EFFECTIVE : 0),
				 {{p, i}, {p >> 32, i >> 32}}};
	CHECK(setxattr(copy, CAPS, &v, XATTR_CAPS_SZ_2, 0) == 0);
}

static void plain(int mode)
{
	removexattr(copy, CAPS);
	CHECK(chown(copy, 0, 0) == 0);
	CHECK(chmod(copy, mode) == 0);
}

static uint64_t status_field(const char *name)
{
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	char *at = strstr(text, name);
	return at ? strtoull(at + strlen(name), NULL, 16) : 0xbad;
}

/* Runs the copy in a child that has done `...` before; what it finds is in `after`, its exit is the value. */
#define AFTER(...) \
	({ int p_[2]; CHECK(pipe(p_) == 0); \
	   int s_ = STATUS_OF({ __VA_ARGS__; char fd_[12]; snprintf(fd_, sizeof fd_, "%d", p_[1]); \
	     execl(copy, copy, fd_, NULL); _exit(errno); }); \
	   close(p_[1]); memset(&after, 0, sizeof after); read(p_[0], &after, sizeof after); close(p_[0]); \
	   WIFEXITED(s_) ? WEXITSTATUS(s_) : -1; })

#define BECOME(id) CHECK(setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0)
/* User 1000 with these permitted (and effective) and inheritable capabilities. */
#define KEEP_SOME(p, i) \
	do { CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0); BECOME(1000); CHECK(capset3(p, p, i) == 0); } while (0)

static void by_programs(struct sets all)
{
	const uint64_t kill = BIT(CAP_KILL), chown = BIT(CAP_CHOWN), setuid_ = BIT(CAP_SETUID);
	plain(0755);
	CHECK("root keeps all", AFTER() == 0 && after.permitted == all.bounding && after.effective == all.bounding &&
	      !after.secure && after.dumpable == 1);
	CHECK("a user has none", AFTER(BECOME(1000)) == 0 && after.permitted == 0 && after.effective == 0 && !after.secure);
	CHECK("what is permitted goes at execve", AFTER(KEEP_SOME(kill, kill)) == 0 && after.permitted == 0 &&
	      after.inheritable == kill);
	CHECK("what is ambient stays",
	      AFTER(KEEP_SOME(kill | chown, kill); CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) == 0)) == 0 &&
	      after.permitted == kill && after.effective == kill && after.ambient == kill && !after.secure);
	CHECK("root with SECBIT_NOROOT has none",
	      AFTER(CHECK(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT) == 0)) == 0 && after.permitted == 0 &&
	      after.securebits == SECBIT_NOROOT);
	CHECK("root gets back what it gave up", AFTER(CHECK(capset3(0, 0, 0) == 0)) == 0 && after.permitted == all.bounding);
	CHECK("but not what is out of bounds",
	      AFTER(CHECK(prctl(PR_CAPBSET_DROP, CAP_KILL) == 0)) == 0 && after.permitted == (all.bounding & ~kill));
	CHECK("nor with no_new_privs",
	      AFTER(CHECK(capset3(kill, kill, 0) == 0); CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)) == 0 &&
	      after.permitted == kill && after.effective == kill);
	CHECK("keepcaps ends at execve", AFTER(CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0)) == 0 && after.securebits == 0);

	plain(04755);
	CHECK("setuid root", AFTER(BECOME(1000)) == 0 && after.uid == 1000 && after.euid == 0 &&
	      after.permitted == all.bounding && after.effective == all.bounding && after.secure && after.dumpable == 0);
	CHECK("ends ambient ones", AFTER(KEEP_SOME(kill, kill); prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0)) == 0 &&
	      after.ambient == 0 && after.permitted == (all.bounding | kill));
	CHECK("no_new_privs: no setuid",
	      AFTER(BECOME(1000); CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)) == 0 && after.euid == 1000 &&
	      after.permitted == 0 && !after.secure);
	CHECK("NOROOT: the id alone",
	      AFTER(CHECK(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT) == 0); BECOME(1000)) == 0 && after.euid == 0 &&
	      after.permitted == 0 && after.secure);
	plain(0711);
	CHECK("unreadable: no core", AFTER(BECOME(1000)) == 0 && after.dumpable == 0);

	plain(0755);
	grant(kill | chown, 0, 1);
	CHECK("a file's, effective", AFTER(BECOME(1000)) == 0 && after.permitted == (kill | chown) &&
	      after.effective == (kill | chown) && after.secure && after.dumpable == 0);
	CHECK("of which one is out of bounds",
	      AFTER(CHECK(prctl(PR_CAPBSET_DROP, CAP_KILL) == 0); BECOME(1000)) == EPERM);
	CHECK("for root too", AFTER(CHECK(prctl(PR_CAPBSET_DROP, CAP_KILL) == 0)) == EPERM);
	CHECK("no_new_privs: none gained",
	      AFTER(KEEP_SOME(kill, 0); CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)) == 0 && after.permitted == kill &&
	      after.effective == kill);
	CHECK("they end ambient ones",
	      AFTER(KEEP_SOME(setuid_, setuid_); CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) == 0)) == 0 &&
	      after.ambient == 0 && after.permitted == (kill | chown));
	grant(kill, 0, 0);
	CHECK("permitted only", AFTER(BECOME(1000)) == 0 && after.permitted == kill && after.effective == 0 && after.secure);
	CHECK("out of bounds, not effective: less",
	      AFTER(CHECK(prctl(PR_CAPBSET_DROP, CAP_KILL) == 0); BECOME(1000)) == 0 && after.permitted == 0);
	grant(0, kill, 1);
	CHECK("inheritable by both", AFTER(KEEP_SOME(0, kill | chown)) == 0 && after.permitted == kill &&
	      after.effective == kill && after.inheritable == (kill | chown));
	CHECK("by the file alone", AFTER(BECOME(1000)) == 0 && after.permitted == 0);
	plain(04755);
	grant(kill, 0, 1);
	CHECK("setuid root with capabilities: those alone",
	      AFTER(BECOME(1000)) == 0 && after.euid == 0 && after.permitted == kill);
	grant(0, 0, 0);
	CHECK("even none", AFTER(BECOME(1000)) == 0 && after.euid == 0 && after.permitted == 0);
}

static void by_calls(struct sets all)
{
	const uint64_t kill = BIT(CAP_KILL), chown = BIT(CAP_CHOWN);
	int status = STATUS_OF({
		CHECK(capset3(kill, kill | chown, 0) == 0);
		CHECK_ERRNO(capset3(kill | chown, kill, 0), EPERM);
		CHECK_ERRNO(capset3(kill, all.bounding, 0), EPERM);
		CHECK_ERRNO(capset3(0, 0, BIT(CAP_FOWNER)), EPERM);
		CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), EPERM);
		CHECK(capset3(kill, kill | chown, kill | chown) == 0);
		CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) == 0);
		CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) == 0);
		CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 63, 0, 0), EINVAL);
		CHECK_ERRNO(prctl(PR_CAP_AMBIENT, 9, CAP_KILL, 0, 0), EINVAL);
		CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 1, 0), EINVAL);
		CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0), EINVAL);
		CHECK(now().ambient == (kill | chown));
		CHECK(status_field("CapAmb:") == (kill | chown) && status_field("CapPrm:") == (kill | chown));
		CHECK(status_field("CapEff:") == kill && status_field("CapInh:") == (kill | chown));
		CHECK(status_field("CapBnd:") == all.bounding);
		CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL, 0, 0) == 0);
		CHECK(now().ambient == chown);
		CHECK(capset3(kill, kill, kill | chown) == 0);
		CHECK(now().ambient == 0);
		CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0);
		CHECK_ERRNO(prctl(PR_CAPBSET_DROP, CAP_KILL), EPERM);
		CHECK_ERRNO(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT), EPERM);
	});
	CHECK("capset and ambient ones", status == 0);
	status = STATUS_OF({
		CHECK_ERRNO(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
		CHECK_ERRNO(prctl(PR_CAPBSET_DROP, 64), EINVAL);
		CHECK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE) == 0);
		CHECK_ERRNO(prctl(PR_SET_KEEPCAPS, 0), EPERM);
		CHECK_ERRNO(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS), EPERM);
		CHECK_ERRNO(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED), EPERM);
		CHECK(capset3(kill, kill, kill) == 0);
		CHECK_ERRNO(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), EPERM);
		CHECK(prctl(PR_GET_SECUREBITS) == (SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE));
	});
	CHECK("securebits and their locks", status == 0);
	status = STATUS_OF({
		CHECK(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0);
		BECOME(1000);
		CHECK(now().effective == all.effective);
	});
	CHECK("NO_SETUID_FIXUP", status == 0);
	status = STATUS_OF({
		CHECK(setresuid(0, 1000, 0) == 0);
		CHECK(now().effective == 0 && now().permitted == all.permitted);
		CHECK(setresuid(-1, 0, -1) == 0);
		CHECK(now().effective == all.permitted);
	});
	CHECK("the effective uid decides what is effective", status == 0);
	status = STATUS_OF({
		uint64_t e, p, i;
		CHECK(capget3(&e, &p, &i, getppid()) == 0 && p == all.permitted);
		CHECK_ERRNO(capget3(&e, &p, &i, -1), EINVAL);
		struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_1, 0};
		struct __user_cap_data_struct d;
		CHECK(syscall(SYS_capget, &h, &d) == 0 && d.permitted == (uint32_t)all.permitted);
		h.version = 1;
		CHECK(syscall(SYS_capget, &h, NULL) == 0 && h.version == _LINUX_CAPABILITY_VERSION_3);
		h.pid = getppid();
		CHECK_ERRNO(syscall(SYS_capset, &h, &d), EPERM);
		CHECK_ERRNO(syscall(SYS_capget, NULL, &d), EFAULT);
		CHECK_ERRNO(syscall(SYS_capset, &h, NULL), EPERM);
	});
	CHECK("others', and other versions", status == 0);
}

static void by_files(void)
{
	struct vfs_ns_cap_data v = {0};
	char back[64];
	plain(0755);
	v.magic_etc = VFS_CAP_REVISION_2;
	CHECK_ERRNO("too short", setxattr(copy, CAPS, &v, 10, 0), EINVAL);
	CHECK_ERRNO("too long", setxattr(copy, CAPS, &v, XATTR_CAPS_SZ_3, 0), EINVAL);
	v.magic_etc = VFS_CAP_REVISION_1;
	CHECK_ERRNO("of old", setxattr(copy, CAPS, &v, XATTR_CAPS_SZ_1, 0), EINVAL);
	CHECK("empty", setxattr(copy, CAPS, &v, 0, 0) == 0);
	grant(BIT(CAP_KILL), 0, 0);
	CHECK("kept", getxattr(copy, CAPS, back, sizeof back) == XATTR_CAPS_SZ_2);
	int status = STATUS_OF({
		KEEP_SOME(BIT(CAP_SYS_ADMIN) | BIT(CAP_FOWNER), 0);
		v.magic_etc = VFS_CAP_REVISION_2;
		CHECK_ERRNO(setxattr(copy, CAPS, &v, XATTR_CAPS_SZ_2, 0), EPERM);
		CHECK_ERRNO(removexattr(copy, CAPS), EPERM);
	});
	CHECK("only CAP_SETFCAP may", status == 0);
	status = STATUS_OF({
		KEEP_SOME(BIT(CAP_SETFCAP), 0);
		v.magic_etc = VFS_CAP_REVISION_2;
		CHECK(setxattr(copy, CAPS, &v, XATTR_CAPS_SZ_2, 0) == 0);
	});
	CHECK("and may for any file", status == 0);
	CHECK("chown", chown(copy, 0, 0) == 0);
	CHECK_ERRNO("takes them", getxattr(copy, CAPS, back, sizeof back), ENODATA);
	grant(BIT(CAP_KILL), 0, 0);
	CHECK("chmod", chmod(copy, 0700) == 0);
	CHECK("does not", getxattr(copy, CAPS, back, sizeof back) == XATTR_CAPS_SZ_2);
	int fd = open(copy, O_WRONLY | O_APPEND);
	CHECK("writing", write(fd, "x", 1) == 1);
	close(fd);
	CHECK_ERRNO("does", getxattr(copy, CAPS, back, sizeof back), ENODATA);
	grant(BIT(CAP_KILL), 0, 0);
	CHECK("truncate", truncate(copy, 0) == 0);
	CHECK_ERRNO("does too", getxattr(copy, CAPS, back, sizeof back), ENODATA);
}

static void copy_self(void)
{
	char buf[65536];
	ssize_t n;
	int from = open("/proc/self/exe", O_RDONLY);
	int to = open(copy, O_CREAT | O_WRONLY | O_EXCL, 0700);
	while ((n = read(from, buf, sizeof buf)) > 0) CHECK(write(to, buf, n) == n);
	close(from);
	close(to);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		struct sets s = now();
		return write(atoi(argv[1]), &s, sizeof s) == sizeof s ? 0 : 1;
	}
	struct sets all = now();
	const uint64_t needed = BIT(CAP_SETFCAP) | BIT(CAP_SETPCAP) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_SYS_ADMIN) |
				BIT(CAP_KILL) | BIT(CAP_CHOWN) | BIT(CAP_FOWNER);
	char dir[] = "/var/tmp/caps.XXXXXX";
	if (geteuid() != 0 || (all.permitted & needed) != needed || all.permitted != all.bounding || all.inheritable ||
	    all.securebits || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))
		return T_NOT_HERE;
	CHECK(mkdtemp(dir) != NULL && chmod(dir, 0755) == 0);
	snprintf(copy, sizeof copy, "%s/copy", dir);
	copy_self();
	struct vfs_cap_data v = {VFS_CAP_REVISION_2, {{0}}};
	int here = setxattr(copy, CAPS, &v, XATTR_CAPS_SZ_2, 0) == 0;
	if (here) {
		by_programs(all);
		by_calls(all);
		by_files();
	}
	unlink(copy);
	rmdir(dir);
	return here ? t_end() : T_NOT_HERE;
}
