/* Urgent data over TCP: the byte out of band, the mark, signals and events. */
#include "inet.h"
#include <signal.h>

static volatile int urgent;
static void on_urg(int sig) { (void)sig; urgent++; }

static int mark(int s)
{
	int m = -1;
	CHECK(ioctl(s, SIOCATMARK, &m) == 0);
	return m;
}

static int readable(int s)
{
	int n = -1;
	CHECK(ioctl(s, FIONREAD, &n) == 0);
	return n;
}

int main(void)
{
	int s[2];
	char b[32] = "";
	signal(SIGURG, on_urg);
	pair4(s);
	CHECK_ERRNO("none was sent", recv(s[1], b, 1, MSG_OOB), EINVAL);
	CHECK("no mark", mark(s[1]) == 0);
	CHECK(fcntl(s[1], F_SETOWN, getpid()) == 0);
	CHECK(write(s[0], "abc", 3) == 3);
	CHECK("send a word, its last byte is urgent", send(s[0], "deX", 3, MSG_OOB) == 3);
	CHECK("an event", (await(s[1], POLLPRI) & POLLPRI) != 0);
	CHECK("a signal", urgent == 1);
	CHECK("before the mark", mark(s[1]) == 0);
	CHECK("bytes up to the mark", readable(s[1]) == 5);
	CHECK("a look at the byte", recv(s[1], b, 1, MSG_OOB | MSG_PEEK) == 1 && b[0] == 'X');
	CHECK("the byte", recv(s[1], b, 1, MSG_OOB) == 1 && b[0] == 'X');
	CHECK_ERRNO("once", recv(s[1], b, 1, MSG_OOB), EINVAL);
	CHECK("no event any more", (events_of(s[1]) & POLLPRI) == 0);
	CHECK(write(s[0], "after", 5) == 5);
	usleep(2000);
	CHECK("a read ends at the mark", read(s[1], b, 32) == 5 && !memcmp(b, "abcde", 5));
	CHECK("at the mark", mark(s[1]) == 1);
	CHECK("and goes on after it", read(s[1], b, 32) == 5 && !memcmp(b, "after", 5));
	CHECK("past the mark", mark(s[1]) == 0);

	CHECK(send(s[0], "1", 1, MSG_OOB) == 1);
	CHECK("alone", (await(s[1], POLLPRI) & POLLPRI) != 0 && mark(s[1]) == 1);
	CHECK("not readable in band", (events_of(s[1]) & POLLIN) == 0 && readable(s[1]) == 0);
	CHECK_ERRNO("nothing in band", recv(s[1], b, 8, MSG_DONTWAIT), EAGAIN);
	CHECK("lost when it was passed over", recv(s[1], b, 1, MSG_OOB) == -1 && errno == EINVAL);

	CHECK(set_option(s[1], SOL_SOCKET, SO_OOBINLINE, 1) == 0);
	CHECK(send(s[0], "in!", 3, MSG_OOB) == 3 && write(s[0], "line", 4) == 4);
	await(s[1], POLLIN);
	usleep(2000);
	CHECK_ERRNO("none out of band", recv(s[1], b, 1, MSG_OOB), EINVAL);
	CHECK("up to the byte", read(s[1], b, 32) == 2 && mark(s[1]) == 1);
	CHECK("the byte is one of the others", read(s[1], b, 32) == 5 && !memcmp(b, "!line", 5));
	CHECK(set_option(s[1], SOL_SOCKET, SO_OOBINLINE, 0) == 0);

	CHECK(send(s[0], "a", 1, MSG_OOB) == 1 && send(s[0], "b", 1, MSG_OOB) == 1);
	usleep(2000);
	CHECK("the last one counts", recv(s[1], b, 1, MSG_OOB) == 1 && b[0] == 'b');
	CHECK_ERRNO("the one before is lost", recv(s[1], b, 8, MSG_DONTWAIT), EAGAIN);
	CHECK("signals", urgent == 5);
	close(s[0]);
	close(s[1]);
	return t_end();
}
