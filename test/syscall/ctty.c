/*
 * A terminal without a foreground, and processes without their session's terminal: TIOCNOTTY,
 * tcsetpgrp(3), hangup. Each case is a session of its own on a fresh pty.
 */
#include "t.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, sl;
static int up[2], down[2];

/* A session on a fresh pty, in a child that runs `run` as its leader; its exit status. */
static int in_session(int (*run)(void))
{
	fflush(stdout);
	master = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGTTOU, SIG_DFL);
		setsid();
		sl = open(ptsname(master), O_RDWR);
		if (sl < 0 || tcgetsid(sl) != getpid()) _exit(90);
		_exit(run());
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid);
	close(master);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static int has_tty(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY);
	if (fd >= 0) close(fd);
	return fd >= 0;
}

static int tty_nr(pid_t pid)
{
	char name[64], text[512];
	snprintf(name, sizeof name, "/proc/%d/stat", pid);
	FILE *f = fopen(name, "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f) fclose(f);
	text[n] = 0;
	int nr = -1;
	char *at = strrchr(text, ')');
	if (at) sscanf(at + 2, "%*c %*d %*d %*d %d", &nr);
	return nr;
}

static void say(int fd) { if (write(fd, "x", 1) != 1) _exit(91); }
static void hear(int fd) { char c; if (read(fd, &c, 1) != 1) _exit(92); }
#define MUST(c) do { if (!(c)) { dprintf(2, "line %d: %s (errno %d)\n", __LINE__, #c, errno); _exit(93); } } while (0)

/* A group of its own in the foreground; then it goes. */
static pid_t vanished(void)
{
	pid_t pid = fork();
	if (pid == 0) { setpgid(0, 0); pause(); _exit(0); }
	setpgid(pid, pid);
	MUST(tcsetpgrp(sl, pid) == 0);
	kill(pid, SIGKILL);
	MUST(waitpid(pid, NULL, 0) == pid);
	return pid;
}

static int gone_foreground(void)
{
	pid_t gone = vanished();
	MUST(tcgetpgrp(sl) == gone);
	return 0;
}

static int background_stops(void)
{
	vanished();
	pid_t pid = fork();
	if (pid == 0) { char c; setpgid(0, 0); _exit(read(sl, &c, 1) == 1 ? 0 : 1); }
	setpgid(pid, pid);
	int status;
	MUST(waitpid(pid, &status, WUNTRACED) == pid);
	MUST(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}

static int leader_reads(void)
{
	char c;
	vanished();
	/* The leader's parent is of another session: its group is orphaned. */
	errno = 0;
	MUST(read(sl, &c, 1) == -1 && errno == EIO);
	signal(SIGTTIN, SIG_IGN);
	errno = 0;
	MUST(read(sl, &c, 1) == -1 && errno == EIO);
	errno = 0;
	MUST(tcsetpgrp(sl, getpgrp()) == -1 && errno == ENOTTY);
	signal(SIGTTOU, SIG_IGN);
	MUST(tcsetpgrp(sl, getpgrp()) == 0 && tcgetpgrp(sl) == getpgrp());
	MUST(write(master, "hi\n", 3) == 3);
	char line[8];
	MUST(read(sl, line, 8) == 3);
	return 0;
}

static int keys_signal_nobody(void)
{
	vanished();
	signal(SIGINT, SIG_DFL);
	MUST(write(master, "\3", 1) == 1);
	usleep(20000);
	struct winsize w = { 10, 20, 0, 0 };
	MUST(ioctl(master, TIOCSWINSZ, &w) == 0);
	return 0;
}

static int not_yet_a_group(void)
{
	pipe(up), pipe(down);
	pid_t pid = fork();
	if (pid == 0) {
		hear(down[0]);
		if (setpgid(0, 0) != 0) _exit(1);
		say(up[1]);
		hear(down[0]);
		struct termios t;
		tcgetattr(sl, &t);
		_exit(tcsetattr(sl, TCSANOW, &t) == 0 ? 7 : 8);
	}
	MUST(tcsetpgrp(sl, pid) == 0);
	MUST(tcgetpgrp(sl) == pid);
	say(down[1]);
	hear(up[0]);
	say(down[1]);
	int status;
	MUST(waitpid(pid, &status, WUNTRACED) == pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	return 0;
}

static int back_to_its_group(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGTTOU, SIG_IGN);
		pid_t old = getpgrp();
		if (setpgid(0, 0) != 0 || tcsetpgrp(sl, getpid()) != 0) _exit(1);
		if (setpgid(0, old) != 0 || tcgetpgrp(sl) != getpid()) _exit(2);
		if (setpgid(0, 0) != 0) _exit(3);
		signal(SIGTTOU, SIG_DFL);
		struct termios t;
		tcgetattr(sl, &t);
		_exit(tcsetattr(sl, TCSANOW, &t) == 0 ? 7 : 8);
	}
	int status;
	MUST(waitpid(pid, &status, WUNTRACED) == pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	return 0;
}

static int one_gives_up(void)
{
	pipe(up), pipe(down);
	pid_t pid = fork();
	if (pid == 0) {
		if (!has_tty() || tty_nr(getpid()) == 0) _exit(1);
		if (ioctl(sl, TIOCNOTTY) != 0) _exit(2);
		if (has_tty() || tty_nr(getpid()) != 0) _exit(3);
		errno = 0;
		if (ioctl(sl, TIOCNOTTY) != -1 || errno != ENOTTY) _exit(4);
		pid_t pgrp;
		errno = 0;
		if (ioctl(sl, TIOCGPGRP, &pgrp) != -1 || errno != ENOTTY) _exit(5);
		errno = 0;
		if (tcsetpgrp(sl, getpgrp()) != -1 || errno != ENOTTY) _exit(6);
		errno = 0;
		if (ioctl(sl, TIOCSCTTY, 0) != -1 || errno != EPERM) _exit(7);
		/* Its children have none either; opening the terminal gives none back. */
		pid_t child = fork();
		if (child == 0) { close(open(ptsname(master), O_RDWR)); _exit(has_tty() ? 1 : 0); }
		int st;
		if (waitpid(child, &st, 0) != child || st != 0) _exit(8);
		/* Job control no longer applies to it. */
		setpgid(0, 0);
		say(up[1]);
		hear(down[0]);
		char line[8];
		if (read(sl, line, sizeof line) != 3) _exit(9);
		_exit(30);
	}
	hear(up[0]);
	MUST(has_tty() && tcgetpgrp(sl) == getpgrp() && tcgetsid(sl) == getpid() && tty_nr(getpid()) != 0);
	MUST(write(master, "ab\n", 3) == 3);
	say(down[1]);
	int status;
	MUST(waitpid(pid, &status, WUNTRACED) == pid);
	MUST(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static volatile sig_atomic_t hups, conts;
static void on_hup(int s) { (void)s; hups++; }
static void on_cont(int s) { (void)s; conts++; }

static int leader_gives_up(void)
{
	pipe(up), pipe(down);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGHUP, on_hup);
		signal(SIGCONT, on_cont);
		say(up[1]);
		hear(down[0]);
		usleep(1000);
		_exit(hups == 1 && conts == 1 && !has_tty() && tty_nr(getpid()) == 0 ? 31 : 1);
	}
	hear(up[0]);
	signal(SIGHUP, SIG_IGN);
	signal(SIGCONT, SIG_IGN);
	MUST(ioctl(sl, TIOCNOTTY) == 0);
	MUST(!has_tty());
	say(down[1]);
	int status;
	MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	MUST(WEXITSTATUS(status) == 31);
	/* And takes it again; those who were there do not get it by that. */
	pid = fork();
	if (pid == 0) { hear(down[0]); _exit(has_tty() ? 1 : 32); }
	MUST(ioctl(sl, TIOCSCTTY, 0) == 0 && has_tty());
	say(down[1]);
	MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The terminal is cut, the leader lives on; when it ends, the old foreground hears of it. */
static void hangup(void)
{
	char report[2] = "";
	int keep[2];
	CHECK(pipe(keep) == 0);
	fflush(stdout);
	master = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		sl = open(ptsname(master), O_RDWR);
		pipe(up), pipe(down);
		dup2(keep[1], 50);
		close(keep[0]), close(keep[1]);
		pid_t job = fork();
		if (job == 0) {
			close(master);
			setpgid(0, 0);
			signal(SIGHUP, on_hup);
			signal(SIGCONT, on_cont);
			say(up[1]);
			for (int i = 0; i < 2000 && !hups; i++) usleep(1000);
			usleep(5000);
			char r[2] = { (char)('0' + hups), (char)('0' + conts) };
			_exit(write(50, r, 2) != 2);
		}
		hear(up[0]);
		signal(SIGTTOU, SIG_IGN);
		signal(SIGHUP, on_hup);
		if (tcsetpgrp(sl, job) != 0) _exit(1);
		close(master);
		for (int i = 0; i < 2000 && !hups; i++) usleep(1000);
		_exit(hups == 1 && !has_tty() && kill(job, 0) == 0 ? 33 : 2);
	}
	close(keep[1]);
	usleep(50000);
	close(master);
	int status;
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK("a hangup tells the leader only", WIFEXITED(status) && WEXITSTATUS(status) == 33);
	CHECK("the old foreground hears when the leader ends",
	      read(keep[0], report, 2) == 2 && report[0] == '1' && report[1] == '1');
}

int main(void)
{
	CHECK("tcgetpgrp names a foreground group that is gone", in_session(gone_foreground) == 0);
	CHECK("then the background still is the background", in_session(background_stops) == 0);
	CHECK("the leader too, until it takes the foreground", in_session(leader_reads) == 0);
	CHECK("keys signal nobody", in_session(keys_signal_nobody) == 0);
	CHECK("a process can have the foreground before it leads a group", in_session(not_yet_a_group) == 0);
	CHECK("a leader that comes back to its group is in the foreground", in_session(back_to_its_group) == 0);
	CHECK("TIOCNOTTY takes the terminal from one process", in_session(one_gives_up) == 30);
	CHECK("TIOCNOTTY by the leader takes it from all", in_session(leader_gives_up) == 32);
	hangup();
	return t_end();
}
