/* F_NOTIFY: changes of a directory as signals. */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

static sigset_t wanted;
static siginfo_t info;

static int next(void)
{
	struct timespec none = {0};
	int sig = sigtimedwait(&wanted, &info, &none);
	return sig < 0 ? 0 : sig;
}

static void drain(void)
{
	while (next()) ;
}

static void make(const char *name)
{
	close(open(name, O_CREAT | O_RDWR, 0600));
}

int main(void)
{
	char dir[] = "/tmp/dnotify.XXXXXX";
	char c;
	CHECK(mkdtemp(dir) && chdir(dir) == 0);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGIO);
	sigaddset(&wanted, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	int d = open(".", O_RDONLY), f = open("file", O_CREAT | O_RDWR, 0600);
	CHECK_ERRNO("of a file", fcntl(f, F_NOTIFY, DN_CREATE), ENOTDIR);
	CHECK("creation", fcntl(d, F_NOTIFY, DN_CREATE) == 0);
	CHECK("owned by whoever asks", fcntl(d, F_GETOWN) == getpid());
	make("a");
	CHECK("is told", next() == SIGIO && info.si_code == SI_KERNEL);
	make("b");
	CHECK("once", next() == 0);
	fcntl(d, F_SETSIG, SIGRTMIN);
	CHECK("every time", fcntl(d, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT) == 0);
	make("c");
	CHECK("by another signal", next() == SIGRTMIN && info.si_code == POLL_MSG && info.si_fd == d && info.si_band & POLLIN);
	unlink("c");
	CHECK("removal", next() == SIGRTMIN && next() == 0);
	mkdir("sub", 0700);
	CHECK("a directory made", next() == SIGRTMIN && next() == 0);
	make("sub/deep");
	CHECK("not what is deeper", next() == 0);
	CHECK("further events", fcntl(d, F_NOTIFY, DN_MODIFY | DN_ATTRIB | DN_ACCESS | DN_MULTISHOT) == 0);
	CHECK("a write", write(f, "x", 1) == 1 && next() == SIGRTMIN && next() == 0);
	CHECK("a read", pread(f, &c, 1, 0) == 1 && next() == SIGRTMIN && next() == 0);
	CHECK("a change of mode", fchmod(f, 0644) == 0 && next() == SIGRTMIN && next() == 0);
	CHECK("no events end it", fcntl(d, F_NOTIFY, 0) == 0);
	make("e");
	CHECK("for good", next() == 0);
	CHECK(fcntl(d, F_NOTIFY, DN_RENAME | DN_MULTISHOT) == 0);
	CHECK("a rename", rename("a", "a2") == 0 && next() == SIGRTMIN && next() == 0);
	CHECK("not away", rename("a2", "sub/a") == 0 && next() == 0);
	CHECK("nor to here", rename("sub/a", "a") == 0 && next() == 0);
	int copy = dup(d);
	close(d);
	drain();
	CHECK("closing the descriptor ends it, though another has it open", rename("a", "a3") == 0 && next() == 0);
	CHECK(fcntl(copy, F_NOTIFY, DN_CREATE | DN_MULTISHOT) == 0);
	CHECK("a child closes its own", STATUS_OF(close(copy)) == 0);
	make("g");
	CHECK("and takes nothing away", next() == SIGRTMIN);
	close(copy);
	close(f);
	static const char *left[] = {"file", "a3", "b", "e", "g", "sub/deep"};
	for (unsigned i = 0; i < sizeof left / sizeof *left; i++) CHECK(unlink(left[i]) == 0);
	CHECK(rmdir("sub") == 0 && rmdir(dir) == 0);
	return t_end();
}
