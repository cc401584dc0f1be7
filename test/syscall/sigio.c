/* O_ASYNC: a file's owner (F_SETOWN) is told by a signal that the file has become ready. */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>

static sigset_t wanted;

/* The next of the blocked signals, or 0 if there is none. */
static int next(siginfo_t *info)
{
	struct timespec none = {0};
	int sig = sigtimedwait(&wanted, info, &none);
	return sig < 0 ? 0 : sig;
}

static int soon(siginfo_t *info)
{
	struct timespec long_enough = {20, 0};
	return sigtimedwait(&wanted, info, &long_enough);
}

static void drain(void)
{
	siginfo_t info;
	while (next(&info)) ;
}

static int async(int fd, int on)
{
	int flags = fcntl(fd, F_GETFL);
	return fcntl(fd, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC);
}

static void pipes(void)
{
	int p[2];
	siginfo_t info;
	char c;
	CHECK(pipe(p) == 0);
	CHECK("nobody owns a new pipe", fcntl(p[0], F_GETOWN) == 0 && fcntl(p[0], F_GETSIG) == 0);
	CHECK("without an owner nobody is told", async(p[0], 1) == 0 && write(p[1], "x", 1) == 1 && next(&info) == 0);
	CHECK("the flag shows", (fcntl(p[0], F_GETFL) & O_ASYNC) != 0);
	CHECK("an owner", fcntl(p[0], F_SETOWN, getpid()) == 0 && fcntl(p[0], F_GETOWN) == getpid());
	CHECK("is told of bytes", write(p[1], "x", 1) == 1 && soon(&info) == SIGIO);
	CHECK("by SIGIO from the kernel", info.si_code == SI_KERNEL);
	CHECK("once", next(&info) == 0);
	CHECK("a signal of one's own", fcntl(p[0], F_SETSIG, SIGRTMIN + 1) == 0 && fcntl(p[0], F_GETSIG) == SIGRTMIN + 1);
	read(p[0], &c, 1);
	read(p[0], &c, 1);
	CHECK("says what it is about", write(p[1], "y", 1) == 1 && soon(&info) == SIGRTMIN + 1 &&
	      info.si_code == POLL_IN && info.si_fd == p[0] && info.si_band == (POLLIN | POLLRDNORM));
	fcntl(p[0], F_SETSIG, SIGIO);
	CHECK("as SIGIO does when asked for", write(p[1], "y", 1) == 1 && soon(&info) == SIGIO && info.si_code == POLL_IN && info.si_fd == p[0]);
	fcntl(p[0], F_SETSIG, SIGTRAP);
	CHECK("a signal that has codes of its own", write(p[1], "y", 1) == 1 && soon(&info) == SIGTRAP &&
	      info.si_code == -5 && info.si_fd == p[0]);
	CHECK_ERRNO("a signal that is none", fcntl(p[0], F_SETSIG, 65), EINVAL);
	fcntl(p[0], F_SETSIG, SIGRTMIN + 1);
	write(p[1], "a", 1);
	write(p[1], "b", 1);
	CHECK("real-time signals queue", next(&info) && next(&info) && !next(&info));
	CHECK("no flag, no signal", async(p[0], 0) == 0 && write(p[1], "x", 1) == 1 && next(&info) == 0);
	CHECK("the flag by ioctl", ioctl(p[0], FIOASYNC, &(int){1}) == 0 && (fcntl(p[0], F_GETFL) & O_ASYNC) != 0);
	drain();
	close(p[1]);
	CHECK("the last writer's end", soon(&info) == SIGRTMIN + 1 && info.si_code == POLL_IN);
	close(p[0]);

	CHECK(pipe(p) == 0);
	fcntl(p[1], F_SETOWN, getpid());
	fcntl(p[1], F_SETSIG, SIGRTMIN + 2);
	async(p[1], 1);
	static char bulk[65536];
	CHECK(write(p[1], bulk, sizeof bulk) == sizeof bulk);
	drain();
	CHECK("room in a pipe", read(p[0], bulk, sizeof bulk) == sizeof bulk && soon(&info) == SIGRTMIN + 2 &&
	      info.si_code == POLL_OUT && info.si_fd == p[1]);
	close(p[0]);
	close(p[1]);
}

static void owners(void)
{
	int p[2], status;
	siginfo_t info;
	drain();
	CHECK(pipe(p) == 0);
	async(p[0], 1);
	CHECK_ERRNO("nobody of that name", fcntl(p[0], F_SETOWN, 0x3ffffff), ESRCH);
	CHECK_ERRNO("no group of that name", fcntl(p[0], F_SETOWN, -0x3ffffff), ESRCH);
	CHECK("a group", fcntl(p[0], F_SETOWN, -getpgrp()) == 0 && fcntl(p[0], F_GETOWN) == -getpgrp());
	CHECK("is told", write(p[1], "x", 1) == 1 && soon(&info) == SIGIO);
	struct f_owner_ex ex = {F_OWNER_TID, syscall(SYS_gettid)}, got;
	CHECK("a thread", fcntl(p[0], F_SETOWN_EX, &ex) == 0 && fcntl(p[0], F_GETOWN_EX, &got) == 0 &&
	      got.type == F_OWNER_TID && got.pid == ex.pid);
	CHECK("is told", write(p[1], "x", 1) == 1 && soon(&info) == SIGIO);
	ex.type = 7;
	CHECK_ERRNO("an owner of no kind", fcntl(p[0], F_SETOWN_EX, &ex), EINVAL);
	CHECK("nobody", fcntl(p[0], F_SETOWN, 0) == 0 && fcntl(p[0], F_GETOWN) == 0);
	CHECK("is not told", write(p[1], "x", 1) == 1 && next(&info) == 0);

	int ready[2];
	CHECK(pipe(ready) == 0);
	pid_t child = fork();
	if (child == 0) {
		close(ready[0]);
		fcntl(p[0], F_SETOWN, getpid());
		write(ready[1], "x", 1);
		_exit(soon(&info) == SIGIO ? 0 : 1);
	}
	char c;
	read(ready[0], &c, 1);
	CHECK("another process owns it", fcntl(p[0], F_GETOWN) == child);
	write(p[1], "x", 1);
	waitpid(child, &status, 0);
	CHECK("and it alone is told", status == 0 && next(&info) == 0);
	CHECK("an owner that is gone is none", fcntl(p[0], F_GETOWN) == 0 && write(p[1], "x", 1) == 1);

	/* Whoever set the owner must be one who might signal it. */
	fcntl(p[0], F_SETOWN, getppid());
	if (geteuid() == 0) {
		child = fork();
		if (child == 0) {
			if (setresuid(65534, 65534, 65534)) _exit(1);
			pid_t parent = getppid();
			_exit(fcntl(p[0], F_SETOWN, parent) == 0 ? 0 : 2);
		}
		waitpid(child, &status, 0);
		CHECK("anyone may name an owner", status == 0 && fcntl(p[0], F_GETOWN) == getpid());
		CHECK("but not have it signalled", write(p[1], "x", 1) == 1 && next(&info) == 0);
	} else {
		CHECK("anyone may name an owner", 1);
		CHECK("but not have it signalled", 1);
	}
	close(p[0]);
	close(p[1]);
}

static void sockets(void)
{
	int s[2];
	siginfo_t info;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	int me = getpid(), who;
	CHECK("a socket's owner by ioctl", ioctl(s[0], FIOSETOWN, &me) == 0 && ioctl(s[0], FIOGETOWN, &who) == 0 && who == me);
	CHECK("is what fcntl shows", fcntl(s[0], F_GETOWN) == me);
	fcntl(s[0], F_SETSIG, SIGRTMIN + 3);
	async(s[0], 1);
	drain();
	CHECK("bytes for a socket", write(s[1], "x", 1) == 1 && soon(&info) == SIGRTMIN + 3 && info.si_code == POLL_IN && info.si_fd == s[0]);
	drain();
	close(s[1]);
	CHECK("the end of a connection", soon(&info) == SIGRTMIN + 3);
	close(s[0]);

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	fcntl(s[0], F_SETOWN, getpid());
	async(s[0], 1);
	drain();
	CHECK("a datagram", write(s[1], "x", 1) == 1 && soon(&info) == SIGIO);
	close(s[0]);
	close(s[1]);
}

static void terminals(void)
{
	int m, t;
	siginfo_t info;
	CHECK(openpty(&m, &t, NULL, NULL, NULL) == 0);
	CHECK("a terminal's owner is whoever asks first", async(t, 1) == 0 && fcntl(t, F_GETOWN) == getpid());
	drain();
	CHECK("a line typed", write(m, "a\n", 2) == 2 && soon(&info) == SIGIO);
	close(t);
	close(m);
}

static void elsewhere(void)
{
	char name[] = "/tmp/sigio.XXXXXX";
	int f = mkstemp(name);
	unlink(name);
	CHECK("a file does not take the flag", async(f, 1) == 0 && (fcntl(f, F_GETFL) & O_ASYNC) == 0);
	CHECK_ERRNO("which an ioctl says", ioctl(f, FIOASYNC, &(int){1}), ENOTTY);
	close(f);
	int p[2];
	CHECK(pipe(p) == 0);
	fcntl(p[0], F_SETOWN, getpid());
	fcntl(p[0], F_SETSIG, SIGRTMIN + 1);
	async(p[0], 1);
	int sfd = signalfd(-1, &wanted, SFD_NONBLOCK);
	struct signalfd_siginfo si;
	drain();
	CHECK("seen through a signalfd", write(p[1], "x", 1) == 1 && read(sfd, &si, sizeof si) == sizeof si &&
	      si.ssi_signo == (unsigned)SIGRTMIN + 1 && si.ssi_fd == p[0] && si.ssi_band == (POLLIN | POLLRDNORM) && si.ssi_code == POLL_IN);
	/* The description outlives its descriptor; the number that was given stays the name. */
	siginfo_t info;
	int copy = dup(p[0]), was = p[0];
	close(p[0]);
	CHECK("told by the number it had", write(p[1], "x", 1) == 1 && soon(&info) == SIGRTMIN + 1 && info.si_fd == was);
	close(copy);
	close(p[1]);
	close(sfd);
}

int main(void)
{
	/* Some signals go to the whole group. */
	setpgid(0, 0);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGIO);
	sigaddset(&wanted, SIGTRAP);
	for (int i = 1; i <= 3; i++) sigaddset(&wanted, SIGRTMIN + i);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	pipes();
	owners();
	sockets();
	terminals();
	elsewhere();
	return t_end();
}
