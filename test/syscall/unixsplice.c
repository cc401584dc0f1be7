/* Bytes between files, pipes and sockets without a buffer of the program: sendfile(2), splice(2). */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

int main(void)
{
	char name[] = "/tmp/unixspliceXXXXXX", buf[70000], sink[70000];
	int file = mkstemp(name), s[2], p[2];
	CHECK(file >= 0 && unlink(name) == 0 && pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	for (unsigned i = 0; i < sizeof buf; i++) buf[i] = (char)(i * 13 + (i >> 8));
	CHECK(write(file, buf, sizeof buf) == sizeof buf);
	off_t at = 100;
	CHECK("sendfile to a socket", sendfile(s[0], file, &at, 1000) == 1000 && at == 1100 && recv(s[1], sink, 2000, 0) == 1000 && memcmp(sink, buf + 100, 1000) == 0);
	CHECK("to its end", (at = 69990, sendfile(s[0], file, &at, 1000)) == 10 && recv(s[1], sink, 2000, 0) == 10);
	CHECK("nothing behind it", sendfile(s[0], file, &at, 1000) == 0);

	CHECK(write(s[0], "socket to pipe", 14) == 14);
	CHECK("splice from a socket", splice(s[1], NULL, p[1], NULL, 100, 0) == 14 && read(p[0], sink, 100) == 14 && memcmp(sink, "socket to pipe", 14) == 0);
	CHECK(write(p[1], "pipe to socket", 14) == 14);
	CHECK("splice to a socket", splice(p[0], NULL, s[0], NULL, 100, 0) == 14 && read(s[1], sink, 100) == 14 && memcmp(sink, "pipe to socket", 14) == 0);
	CHECK_ERRNO("no offset in a socket", (at = 0, splice(s[1], &at, p[1], NULL, 10, 0)), EINVAL);
	CHECK_ERRNO("one end must be a pipe", splice(s[0], NULL, s[1], NULL, 10, 0), EINVAL);
	fcntl(s[1], F_SETFL, O_NONBLOCK);
	CHECK_ERRNO("nothing there", splice(s[1], NULL, p[1], NULL, 10, 0), EAGAIN);
	fcntl(s[1], F_SETFL, 0);
	pid_t kid = fork();
	if (kid == 0) {
		for (int i = 0; i < 4; i++) CHECK(write(s[0], buf, sizeof buf) == sizeof buf);
		_exit(0);
	}
	close(s[0]);
	long total = 0, n, good = 1;
	while ((n = splice(s[1], NULL, p[1], NULL, 30000, 0)) > 0) {
		CHECK(read(p[0], sink, sizeof sink) == n);
		for (long i = 0; i < n; i++) if (sink[i] != buf[(total + i) % sizeof buf]) good = 0;
		total += n;
	}
	CHECK("a stream through a pipe", n == 0 && good && total == 4 * (long)sizeof buf);
	waitpid(kid, NULL, 0);
	CHECK("the end", splice(s[1], NULL, p[1], NULL, 10, 0) == 0);
	close(s[1]);

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	close(s[1]);
	at = 0;
	CHECK("SIGPIPE of sendfile", WTERMSIG(STATUS_OF(signal(SIGPIPE, SIG_DFL); sendfile(s[0], file, &at, 10))) == SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO("EPIPE of sendfile", sendfile(s[0], file, &at, 10), EPIPE);
	CHECK(write(p[1], "x", 1) == 1);
	CHECK_ERRNO("EPIPE of splice", splice(p[0], NULL, s[0], NULL, 10, 0), EPIPE);
	return t_end();
}
