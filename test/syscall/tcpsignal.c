/* Signals and timeouts in the middle of TCP's calls. */
#include "inet.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

/* Shared with children. */
static volatile int *rang;
static void ring(int sig) { (void)sig; ++*rang; }

/* SIGALRM every 20 ms from now on, or no more. */
static void bell(int on, int flags)
{
	struct sigaction sa = { .sa_handler = ring, .sa_flags = flags };
	struct itimerval every = { { 0, on ? 20000 : 0 }, { 0, on ? 20000 : 0 } };
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

static void calling(void)
{
	int l = listener4(0);
	struct sockaddr_in a = at4(port_of(l));
	int first = connect4(port_of(l));
	int c = socket(AF_INET, SOCK_STREAM, 0), d = socket(AF_INET, SOCK_STREAM, 0);
	bell(1, 0);
	CHECK_ERRNO("a signal ends the wait for a server that is busy", connect(c, (sa *)&a, sizeof a), EINTR);
	bell(0, 0);
	struct timeval tv = { 0, 30000 };
	CHECK(setsockopt(d, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) == 0);
	CHECK_ERRNO("so does a timeout", connect(d, (sa *)&a, sizeof a), EINPROGRESS);
	nonblocking(c);
	CHECK_ERRNO("it goes on calling", connect(c, (sa *)&a, sizeof a), EALREADY);
	CHECK_ERRNO("it cannot be bound meanwhile", bind(c, (sa *)&a, sizeof a), EINVAL);
	CHECK_ERRNO("nor listen", listen(c, 1), EINVAL);
	CHECK_ERRNO("nor be read", read(c, &tv, 1), EAGAIN);
	CHECK_ERRNO("nor written", write(c, &tv, 1), EAGAIN);
	CHECK("it shows nothing yet", events_of(c) == 0);
	CHECK("another is shut down while it calls", shutdown(d, SHUT_RDWR) == 0);
	close(d);
	close(accept(l, NULL, NULL));
	CHECK("until there is room", await(c, POLLOUT) == POLLOUT && connect(c, (sa *)&a, sizeof a) == 0);
	close(first); close(c); close(l);
}

static void talking(void)
{
	int s[2], st;
	static char big[4 << 20];
	pair4(s);
	bell(1, 0);
	CHECK_ERRNO("a signal ends a read", read(s[0], big, 1), EINTR);
	bell(0, 0);
	CHECK(write(s[1], "abc", 3) == 3);
	bell(1, 0);
	CHECK("what came before it is told", recv(s[0], big, 10, MSG_WAITALL) == 3);
	CHECK("and what went", write(s[0], big, sizeof big) > 1000 && *rang > 0);
	bell(0, 0);
	*rang = 0;
	pid_t pid = fork();
	if (pid == 0) {
		while (*rang < 2) usleep(1000);
		while (recv(s[1], big, sizeof big, MSG_DONTWAIT) > 0) {}
		write(s[1], "late", 4);
		_exit(0);
	}
	bell(1, SA_RESTART);
	CHECK("a read that is to go on goes on", read(s[0], big, 10) == 4 && *rang > 0);
	bell(0, 0);
	CHECK(waitpid(pid, &st, 0) == pid);
	struct timeval tv = { 5, 0 };
	CHECK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	bell(1, SA_RESTART);
	CHECK_ERRNO("but not one with a timeout", read(s[0], big, 10), EINTR);
	bell(0, 0);
	close(s[0]); close(s[1]);
	int l = listener4(1);
	bell(1, 0);
	CHECK_ERRNO("a signal ends accept", accept(l, NULL, NULL), EINTR);
	bell(0, 0);
	close(l);
}

int main(void)
{
	rang = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	calling();
	talking();
	return t_end();
}
