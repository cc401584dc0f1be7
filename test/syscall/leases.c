/* F_SETLEASE: who holds a lease is told before a file is opened or truncated. */
#include "t.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>

static sigset_t wanted;
static siginfo_t info;

static int next(void)
{
	struct timespec none = {0};
	int sig = sigtimedwait(&wanted, &info, &none);
	return sig < 0 ? 0 : sig;
}

/* The signal of a break by somebody else; its child then waits, or has failed. */
static int await(void)
{
	struct timespec long_enough = {20, 0};
	int sig = sigtimedwait(&wanted, &info, &long_enough);
	return sig < 0 ? 0 : sig;
}

static int r;

/* A child that opens the file, and shares nothing of what is leased. */
static pid_t opener(int flags)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(r);
		int f = open("file", flags);
		_exit(f < 0 ? errno : 0);
	}
	return pid;
}

static int status(pid_t pid)
{
	int s = -1;
	waitpid(pid, &s, 0);
	return s;
}

/* What /proc/locks says of our lease. */
static const char *shown(void)
{
	static char line[256], text[64];
	FILE *f = fopen("/proc/locks", "r");
	text[0] = 0;
	while (f && fgets(line, sizeof line, f)) {
		char state[16], type[16];
		int pid;
		if (sscanf(line, "%*d: LEASE %15s %15s %d %*s 0 EOF", state, type, &pid) == 3 && pid == getpid())
			snprintf(text, sizeof text, "%s %s", state, type);
	}
	if (f) fclose(f);
	return text;
}

static void none(int sig) { (void)sig; }

int main(void)
{
	char dir[] = "/tmp/leases.XXXXXX";
	int p[2];
	CHECK(mkdtemp(dir) && chdir(dir) == 0 && pipe(p) == 0);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGIO);
	sigaddset(&wanted, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	int w = open("file", O_CREAT | O_RDWR, 0666);
	CHECK(w >= 0 && write(w, "hello", 5) == 5);

	CHECK_ERRNO("no such type", fcntl(w, F_SETLEASE, 7), EINVAL);
	CHECK_ERRNO("of a pipe", fcntl(p[0], F_SETLEASE, F_RDLCK), EINVAL);
	int d = open(".", O_RDONLY);
	CHECK_ERRNO("of a directory", fcntl(d, F_SETLEASE, F_RDLCK), EINVAL);
	CHECK_ERRNO("to release none", fcntl(w, F_SETLEASE, F_UNLCK), EAGAIN);
	CHECK("none is unlocked", fcntl(w, F_GETLEASE) == F_UNLCK);
	CHECK_ERRNO("a read lease of what is open for writing", fcntl(w, F_SETLEASE, F_RDLCK), EAGAIN);
	CHECK("a write lease for the only one", fcntl(w, F_SETLEASE, F_WRLCK) == 0 && fcntl(w, F_GETLEASE) == F_WRLCK);
	CHECK("is owned by its process", fcntl(w, F_GETOWN) == getpid());
	CHECK("is shown", strcmp(shown(), "ACTIVE WRITE") == 0);
	CHECK("is released", fcntl(w, F_SETLEASE, F_UNLCK) == 0 && fcntl(w, F_GETLEASE) == F_UNLCK);
	CHECK("and not owned", fcntl(w, F_GETOWN) == 0);
	r = open("file", O_RDONLY);
	CHECK_ERRNO("a write lease beside a reader", fcntl(w, F_SETLEASE, F_WRLCK), EAGAIN);
	CHECK_ERRNO("a read lease beside a writer", fcntl(r, F_SETLEASE, F_RDLCK), EAGAIN);
	close(w);
	CHECK("a read lease", fcntl(r, F_SETLEASE, F_RDLCK) == 0 && fcntl(r, F_GETLEASE) == F_RDLCK);
	CHECK("is shown", strcmp(shown(), "ACTIVE READ") == 0);
	int r2 = open("file", O_RDONLY | O_NONBLOCK);
	CHECK("readers do not break it", r2 >= 0 && next() == 0);
	CHECK("two of them", fcntl(r2, F_SETLEASE, F_RDLCK) == 0);
	CHECK("each its own", fcntl(r2, F_SETLEASE, F_UNLCK) == 0 && fcntl(r, F_GETLEASE) == F_RDLCK);
	CHECK_ERRNO("none to write beside another reader", fcntl(r, F_SETLEASE, F_WRLCK), EAGAIN);
	close(r2);
	CHECK("it becomes a write lease", fcntl(r, F_SETLEASE, F_WRLCK) == 0 && fcntl(r, F_GETLEASE) == F_WRLCK);
	CHECK("and back", fcntl(r, F_SETLEASE, F_RDLCK) == 0);
	int place = open("file", O_PATH);
	CHECK("O_PATH opens nothing", place >= 0 && next() == 0);
	CHECK_ERRNO("and has none", fcntl(place, F_SETLEASE, F_RDLCK), EBADF);
	close(place);

	CHECK_ERRNO("to open without waiting", open("file", O_WRONLY | O_NONBLOCK), EWOULDBLOCK);
	CHECK("the holder is told", next() == SIGIO && info.si_code == SI_KERNEL);
	CHECK("what to do", fcntl(r, F_GETLEASE) == F_UNLCK && strcmp(shown(), "BREAKING UNLCK") == 0);
	CHECK_ERRNO("again", open("file", O_RDWR | O_NONBLOCK), EWOULDBLOCK);
	CHECK("but only once", next() == 0);
	CHECK("it releases", fcntl(r, F_SETLEASE, F_UNLCK) == 0 && shown()[0] == 0);

	CHECK(fcntl(r, F_SETLEASE, F_RDLCK) == 0 && fcntl(r, F_SETSIG, SIGRTMIN) == 0);
	pid_t pid = opener(O_WRONLY);
	CHECK("a writer waits", await() == SIGRTMIN && info.si_fd == r && waitpid(pid, NULL, WNOHANG) == 0);
	CHECK("in its call it counts", fcntl(r, F_SETLEASE, F_RDLCK) == -1 && errno == EAGAIN);
	CHECK("until the release", fcntl(r, F_SETLEASE, F_UNLCK) == 0 && status(pid) == 0);
	CHECK("which forgets the signal", fcntl(r, F_GETSIG) == 0);

	CHECK(fcntl(r, F_SETLEASE, F_WRLCK) == 0);
	pid = opener(O_RDONLY);
	CHECK("a reader waits for a write lease", await() == SIGIO && fcntl(r, F_GETLEASE) == F_RDLCK);
	CHECK("is shown", strcmp(shown(), "BREAKING READ") == 0);
	CHECK("to become a read lease", fcntl(r, F_SETLEASE, F_RDLCK) == 0 && status(pid) == 0);
	CHECK("which stays", fcntl(r, F_GETLEASE) == F_RDLCK && strcmp(shown(), "ACTIVE READ") == 0);
	CHECK(fcntl(r, F_SETLEASE, F_UNLCK) == 0 && fcntl(r, F_SETLEASE, F_WRLCK) == 0);
	CHECK_ERRNO("after a reader", open("file", O_RDONLY | O_NONBLOCK), EWOULDBLOCK);
	CHECK("which breaks it halfway", next() == SIGIO && fcntl(r, F_GETLEASE) == F_RDLCK);
	CHECK_ERRNO("comes a writer", open("file", O_WRONLY | O_NONBLOCK), EWOULDBLOCK);
	CHECK("and the holder is told again", next() == SIGIO && fcntl(r, F_GETLEASE) == F_UNLCK);
	CHECK("half is not enough", fcntl(r, F_SETLEASE, F_RDLCK) == 0 && fcntl(r, F_GETLEASE) == F_UNLCK);
	CHECK(fcntl(r, F_SETLEASE, F_UNLCK) == 0);

	CHECK(fcntl(r, F_SETLEASE, F_RDLCK) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) _exit(truncate("file", 3) == 0 ? 0 : errno);
	CHECK("truncate breaks it", await() == SIGIO && fcntl(r, F_GETLEASE) == F_UNLCK);
	struct stat st;
	CHECK("and waits", fstat(r, &st) == 0 && st.st_size == 5);
	CHECK("for the release", fcntl(r, F_SETLEASE, F_UNLCK) == 0 && status(pid) == 0);
	CHECK("then does it", fstat(r, &st) == 0 && st.st_size == 3);

	CHECK(fcntl(r, F_SETLEASE, F_RDLCK) == 0);
	pid = opener(O_RDWR | O_TRUNC);
	CHECK("O_TRUNC waits", await() == SIGIO && fstat(r, &st) == 0 && st.st_size == 3);
	int copy = dup(r);
	close(r);
	CHECK("a lease is the open file's", fcntl(copy, F_GETLEASE) == F_UNLCK && strcmp(shown(), "BREAKING UNLCK") == 0);
	close(copy);
	CHECK("and ends with its last descriptor", status(pid) == 0 && shown()[0] == 0);
	CHECK(stat("file", &st) == 0 && st.st_size == 0);

	r = open("file", O_RDONLY);
	CHECK(fcntl(r, F_SETLEASE, F_RDLCK) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct sigaction sa = {.sa_handler = none};
		sigaction(SIGALRM, &sa, NULL);
		struct itimerval soon = {{0, 20000}, {0, 20000}};
		setitimer(ITIMER_REAL, &soon, NULL);
		_exit(open("file", O_WRONLY) < 0 ? errno : 0);
	}
	CHECK("a signal ends the wait", status(pid) == EINTR << 8 && await() == SIGIO);
	CHECK("after which the break goes on", fcntl(r, F_GETLEASE) == F_UNLCK);
	CHECK("though the lease may be asked for again", fcntl(r, F_SETLEASE, F_RDLCK) == 0);
	CHECK(fcntl(r, F_SETLEASE, F_UNLCK) == 0);

	CHECK("new files have none", fcntl(r, F_SETLEASE, F_RDLCK) == 0);
	CHECK("names come and go", link("file", "other") == 0 && rename("other", "third") == 0 && unlink("third") == 0);
	CHECK("and modes", chmod("file", 0600) == 0 && next() == 0);
	pid = opener(O_WRONLY);
	CHECK(await() == SIGIO);
	CHECK("a child's lease is the same", STATUS_OF(_exit(fcntl(r, F_SETLEASE, F_UNLCK) != 0)) == 0 && status(pid) == 0);
	if (geteuid() == 0) {
		CHECK(chmod(".", 0755) == 0 && chmod("file", 0644) == 0);
		int s = STATUS_OF(
			if (setresuid(65534, 65534, 65534)) _exit(9);
			int f = open("file", O_RDONLY);
			_exit(f < 0 ? 8 : fcntl(f, F_SETLEASE, F_RDLCK) == 0 ? 7 : errno));
		CHECK(s == EACCES << 8);
	}
	CHECK(unlink("file") == 0 && chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
