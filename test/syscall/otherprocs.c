/* Reaching into another process: its memory, its descriptors, what it shares. */
#include "t.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGE 4096
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static ssize_t vm(int write, pid_t pid, struct iovec *l, long ln, struct iovec *r, long rn, long flags)
{
	return syscall(write ? SYS_process_vm_writev : SYS_process_vm_readv, pid, l, ln, r, rn, flags);
}

static long kcmp(pid_t a, pid_t b, int type, unsigned long i, unsigned long j)
{
	return syscall(SYS_kcmp, a, b, type, i, j);
}

static int pidfd_open_(pid_t pid) { return syscall(SYS_pidfd_open, pid, 0); }
static int getfd(int pidfd, int fd, int flags) { return syscall(SYS_pidfd_getfd, pidfd, fd, flags); }
static long advise(int pidfd, struct iovec *v, long n, int advice, int flags)
{
	return syscall(SYS_process_madvise, pidfd, v, n, advice, flags);
}

/* A child that waits to be killed, with `setup` done. */
static pid_t child(void (*setup)(void))
{
	int p[2];
	char c;
	CHECK(pipe(p) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(p[0]);
		if (setup) setup();
		CHECK(write(p[1], "x", 1) == 1);
		for (;;) pause();
	}
	close(p[1]);
	CHECK(read(p[0], &c, 1) == 1);
	close(p[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static char *pages; /* three: data, read-only, none */
static void fill(void) { memset(pages, 'c', PAGE); pages[0] = 'A'; pages[PAGE - 1] = 'Z'; }

static void memory(void)
{
	pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(pages, 'p', 2 * PAGE);
	mprotect(pages + PAGE, PAGE, PROT_READ);
	mprotect(pages + 2 * PAGE, PAGE, PROT_NONE);
	pid_t pid = child(fill);
	static char buf[2 * PAGE], two[16];
	struct iovec l = {buf, PAGE}, r = {pages, PAGE};

	CHECK("a page is read", vm(0, pid, &l, 1, &r, 1, 0) == PAGE && buf[0] == 'A' && buf[PAGE - 1] == 'Z');
	CHECK("one's own page stayed", pages[0] == 'p');
	struct iovec ls[2] = {{buf, 10}, {two, 6}}, rs[3] = {{pages + PAGE - 1, 1}, {pages, 1}, {pages + 1, 100}};
	CHECK("scattered, the shorter side counts", vm(0, pid, ls, 2, rs, 3, 0) == 16 && !memcmp(buf, "ZAcccccccc", 10));
	strcpy(buf, "written");
	l.iov_len = 8;
	CHECK("written", vm(1, pid, &l, 1, &r, 1, 0) == 8);
	memset(buf, 0, 8);
	CHECK("and read back", vm(0, pid, &l, 1, &r, 1, 0) == 8 && !strcmp(buf, "written"));
	r.iov_base = pages + PAGE;
	CHECK_ERRNO("a page that it may not write", vm(1, pid, &l, 1, &r, 1, 0), EFAULT);
	r.iov_base = pages + 2 * PAGE;
	CHECK_ERRNO("a page that it may not read", vm(0, pid, &l, 1, &r, 1, 0), EFAULT);
	r = (struct iovec){pages + PAGE, 2 * PAGE};
	l = (struct iovec){buf, 2 * PAGE};
	CHECK("what comes before the page is counted", vm(0, pid, &l, 1, &r, 1, 0) == PAGE);
	CHECK_ERRNO("flags", vm(0, pid, &l, 1, &r, 1, 1), EINVAL);
	CHECK_ERRNO("too many segments", vm(0, pid, &l, 1025, &r, 1, 0), EINVAL);
	CHECK_ERRNO("too many segments there", vm(0, pid, &l, 1, &r, 1025, 0), EINVAL);
	CHECK_ERRNO("segments nowhere", vm(0, pid, (void *)8, 1, &r, 1, 0), EFAULT);
	CHECK_ERRNO("segments nowhere there", vm(0, pid, &l, 1, (void *)8, 1, 0), EFAULT);
	CHECK("nothing to do", vm(0, pid, &l, 0, &r, 1, 0) == 0);
	CHECK("nothing to do, whoever it is", vm(0, 0x7ffffff0, &l, 1, &r, 0, 0) == 0);
	CHECK_ERRNO("nobody", vm(0, 0x7ffffff0, &l, 1, &r, 1, 0), ESRCH);
	r = (struct iovec){(void *)-4096L, 8};
	CHECK_ERRNO("an address of the kernel", vm(0, pid, &l, 1, &r, 1, 0), EFAULT);
	r = (struct iovec){pages, (size_t)-1};
	CHECK_ERRNO("a length below zero", vm(0, pid, &l, 1, &r, 1, 0), EINVAL);
	r = (struct iovec){pages, 8};
	l = (struct iovec){(void *)8, 8};
	CHECK_ERRNO("no room for it here", vm(0, pid, &l, 1, &r, 1, 0), EFAULT);
	l = (struct iovec){buf, 8};
	kill(pid, SIGKILL);
	siginfo_t info;
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	CHECK_ERRNO("a zombie", vm(0, pid, &l, 1, &r, 1, 0), ESRCH);
	waitpid(pid, NULL, 0);
}

static void drop(void)
{
	/* Not readable for a parent without privilege: other ids. */
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)) _exit(1);
}

/* A child of another user tries to reach one of ours. */
static void permissions(void)
{
	if (geteuid() != 0) {
		for (int i = 0; i < 4; i++) ok("who is not root cannot try");
		return;
	}
	pid_t root = child(NULL), nobody = child(drop);
	int pidfd = pidfd_open_(root);
	char buf[8];
	struct iovec l = {buf, 8}, r = {pages, 8};
	int s = STATUS_OF(
		drop();
		if (vm(0, root, &l, 1, &r, 1, 0) != -1 || errno != EPERM) _exit(1);
		if (getfd(pidfd, 0, 0) != -1 || errno != EPERM) _exit(2);
		if (kcmp(root, root, 1, 0, 0) != -1 || errno != EPERM) _exit(3);
		if (advise(pidfd, &r, 1, MADV_COLD, 0) != -1 || (errno != EACCES && errno != EPERM)) _exit(4));
	CHECK("another user's is out of reach", s == 0);
	s = STATUS_OF(drop(); if (vm(0, nobody, &l, 1, &r, 1, 0) != -1 || errno != EPERM) _exit(1));
	CHECK("one of one's own that gave its rights up is not dumpable", s == 0);
	s = STATUS_OF(drop(); prctl(PR_SET_DUMPABLE, 1);
		if (vm(0, getpid(), &l, 1, &r, 1, 0) != 8) _exit(1));
	CHECK("oneself always is", s == 0);
	CHECK("who is privileged reaches all", vm(0, nobody, &l, 1, &r, 1, 0) == 8);
	close(pidfd);
	end(root);
	end(nobody);
}

static int their_fd;
static void opens(void)
{
	char name[] = "/tmp/getfdXXXXXX";
	int fd = mkstemp(name);
	unlink(name);
	CHECK(dup2(fd, their_fd) == their_fd && write(fd, "hello", 5) == 5);
	close(fd);
}

static void descriptors(void)
{
	their_fd = 77;
	pid_t pid = child(opens);
	int pidfd = pidfd_open_(pid);
	char buf[8] = "";
	int fd = getfd(pidfd, 77, 0);
	CHECK("a descriptor is taken", fd >= 0 && pread(fd, buf, 8, 0) == 5 && !strcmp(buf, "hello"));
	CHECK("to be closed by exec", fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK("it is the same open file", lseek(fd, 0, SEEK_CUR) == 5 && kcmp(getpid(), pid, 0, fd, 77) == 0);
	CHECK_ERRNO("flags", getfd(pidfd, 77, 1), EINVAL);
	CHECK_ERRNO("none there", getfd(pidfd, 78, 0), EBADF);
	CHECK_ERRNO("no process", getfd(fd, 77, 0), EBADF);
	CHECK_ERRNO("no descriptor", getfd(-1, 77, 0), EBADF);
	end(pid);
	CHECK_ERRNO("of who is gone", getfd(pidfd, 77, 0), ESRCH);
	close(pidfd);
	close(fd);
}

static int shares(void *unused) { (void)unused; for (;;) pause(); return 0; }

static void comparing(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	pid_t me = getpid(), other = child(NULL);
	pid_t sharer = clone(shares, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD, NULL);
	for (int type = 1; type <= 4; type++) {
		CHECK("oneself is the same", kcmp(me, me, type, 0, 0) == 0);
		CHECK("what clone shared is the same", kcmp(me, sharer, type, 0, 0) == 0);
		long there = kcmp(me, other, type, 0, 0), back = kcmp(other, me, type, 0, 0);
		CHECK("what fork copied is not, and is in order", there + back == 3 && there != 0 && back != 0);
	}
	int a = dup(1), b = open("/dev/null", O_RDONLY), c = open("/dev/null", O_RDONLY);
	CHECK("a duplicate is the same", kcmp(me, me, 0, a, 1) == 0);
	CHECK("after fork too", kcmp(me, other, 0, a, 1) == 0);
	CHECK("another open file is not", kcmp(me, me, 0, b, c) + kcmp(me, me, 0, c, b) == 3);
	CHECK("who has no semaphores to undo is like others", kcmp(me, other, 6, 0, 0) == 0);
	CHECK_ERRNO("a bad descriptor", kcmp(me, me, 0, 1, 999), EBADF);
	CHECK_ERRNO("a bad type", kcmp(me, me, 99, 0, 0), EINVAL);
	CHECK_ERRNO("nobody", kcmp(me, 0x7ffffff0, 0, 0, 0), ESRCH);

	int p[2], e = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN};
	struct { unsigned efd, tfd, toff; } slot = {e, 0, 0};
	CHECK(pipe(p) == 0 && epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev) == 0);
	slot.tfd = p[0];
	CHECK("what an epoll watches", kcmp(me, me, 7, p[0], (unsigned long)&slot) == 0);
	CHECK("is not the other end", kcmp(me, me, 7, p[1], (unsigned long)&slot) > 0);
	slot.toff = 1;
	CHECK_ERRNO("no second one", kcmp(me, me, 7, p[0], (unsigned long)&slot), ENOENT);
	slot.efd = p[0];
	CHECK_ERRNO("no epoll", kcmp(me, me, 7, p[0], (unsigned long)&slot), EINVAL);
	CHECK_ERRNO("no slot", kcmp(me, me, 7, p[0], 8), EFAULT);
	end(other);
	end(sharer);
}

static void advising(void)
{
	int self = pidfd_open_(getpid());
	char *area = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(area, 1, 4 * PAGE);
	struct iovec v[2] = {{area, PAGE}, {area + 2 * PAGE, 2 * PAGE}};
	CHECK("advice on one's own pages", advise(self, v, 2, MADV_COLD, 0) == 3 * PAGE);
	CHECK("changes nothing", area[0] == 1 && area[4 * PAGE - 1] == 1);
	CHECK_ERRNO("flags", advise(self, v, 2, MADV_COLD, 1), EINVAL);
	CHECK_ERRNO("no such advice", advise(self, v, 2, 4711, 0), EINVAL);
	CHECK_ERRNO("no pidfd", advise(1, v, 2, MADV_COLD, 0), EBADF);
	v[0].iov_base = area + 1;
	CHECK_ERRNO("not at a page", advise(self, v, 1, MADV_COLD, 0), EINVAL);
	v[0].iov_base = area;
	munmap(area + 2 * PAGE, PAGE);
	CHECK("as far as it goes", advise(self, v, 2, MADV_COLD, 0) == PAGE);
	CHECK_ERRNO("nowhere", advise(self, v + 1, 1, MADV_COLD, 0), ENOMEM);
	pid_t pid = child(NULL);
	int other = pidfd_open_(pid);
	if (geteuid() == 0) CHECK("another's pages", advise(other, v, 1, MADV_COLD, 0) == PAGE);
	else ok("another's pages");
	CHECK_ERRNO("another's pages stay", advise(other, v, 1, MADV_DONTNEED, 0), EINVAL);
	CHECK_ERRNO("who lives on keeps its memory", syscall(SYS_process_mrelease, other, 0), EINVAL);
	CHECK_ERRNO("flags", syscall(SYS_process_mrelease, other, 1), EINVAL);
	CHECK_ERRNO("no pidfd", syscall(SYS_process_mrelease, 1, 0), EBADF);
	end(pid);
	CHECK_ERRNO("gone", advise(other, v, 1, MADV_COLD, 0), ESRCH);
	CHECK_ERRNO("gone", syscall(SYS_process_mrelease, other, 0), ESRCH);
	close(other);
	close(self);
}

int main(void)
{
	if (syscall(SYS_kcmp, getpid(), getpid(), 1, 0, 0) == -1 && errno == ENOSYS) return T_NOT_HERE;
	if (syscall(SYS_process_mrelease, -1, 0) == -1 && errno == ENOSYS) return T_NOT_HERE;
	memory();
	permissions();
	descriptors();
	comparing();
	advising();
	return t_end();
}
