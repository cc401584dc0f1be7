/* sendfile(2) and splice(2) to a slow reader, with signals that interrupt them: every byte arrives once. */
#include "t.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <termios.h>

enum { TOTAL = 400000 };
static volatile sig_atomic_t alarms;
static void on_alarm(int sig) { (void)sig; alarms++; }

static void every_ms(int ms)
{
	struct itimerval t = { { 0, ms * 1000 }, { 0, ms * 1000 } };
	setitimer(ITIMER_REAL, &t, NULL);
}

/* A child that reads numbers in pieces with pauses, and exits with 0 if they are all there, in order. */
static pid_t slow_reader(int fd)
{
	pid_t pid = fork();
	if (pid != 0) return pid;
	static uint32_t buffer[1000];
	uint32_t next = 0;
	size_t held = 0;
	while (next < TOTAL / 4) {
		ssize_t n = read(fd, (char *)buffer + held, sizeof buffer - held);
		if (n <= 0) _exit(2);
		held += n;
		for (size_t i = 0; i < held / 4; i++) if (buffer[i] != next++) _exit(3);
		memmove(buffer, (char *)buffer + held / 4 * 4, held % 4);
		held %= 4;
		usleep(500);
	}
	_exit(0);
}

static int file_of_numbers(void)
{
	char name[64];
	snprintf(name, sizeof name, "/tmp/sendfile.%d", getpid());
	int fd = open(name, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && unlink(name) == 0);
	static uint32_t numbers[TOTAL / 4];
	for (uint32_t i = 0; i < TOTAL / 4; i++) numbers[i] = i;
	CHECK(write(fd, numbers, TOTAL) == TOTAL);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int p[2], q[2], st;
	sigaction(SIGALRM, &sa, NULL);

	int fd = file_of_numbers();
	CHECK(pipe(p) == 0);
	pid_t pid = slow_reader(p[0]);
	every_ms(2);
	long sent = 0;
	while (sent < TOTAL) {
		ssize_t n = sendfile(p[1], fd, NULL, TOTAL - sent);
		if (n < 0 && errno == EINTR) continue;
		CHECK(n > 0);
		sent += n;
		CHECK(lseek(fd, 0, SEEK_CUR) == sent);
	}
	every_ms(0);
	while (waitpid(pid, &st, 0) != pid) {}
	CHECK("sendfile, at the file's offset", sent == TOTAL && st == 0 && alarms > 0);

	pid = slow_reader(p[0]);
	off_t at = 0;
	every_ms(2);
	while (at < TOTAL) {
		off_t before = at;
		ssize_t n = sendfile(p[1], fd, &at, TOTAL - at);
		if (n < 0 && errno == EINTR) continue;
		CHECK(n > 0 && at == before + n);
	}
	every_ms(0);
	while (waitpid(pid, &st, 0) != pid) {}
	CHECK("and at one of our own", st == 0);

	/* file → pipe → terminal → reader */
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	int s = open(ptsname(master), O_RDWR | O_NOCTTY);
	struct termios t;
	CHECK(s >= 0 && tcgetattr(s, &t) == 0);
	cfmakeraw(&t);
	CHECK(tcsetattr(s, TCSANOW, &t) == 0 && pipe(q) == 0);
	pid = slow_reader(master);
	at = 0;
	sent = 0;
	every_ms(2);
	while (sent < TOTAL) {
		if (at < TOTAL) splice(fd, &at, q[1], NULL, 30000, SPLICE_F_NONBLOCK);
		ssize_t n = splice(q[0], NULL, s, NULL, 50000, 0);
		if (n < 0 && errno == EINTR) continue;
		CHECK(n > 0);
		sent += n;
	}
	every_ms(0);
	while (waitpid(pid, &st, 0) != pid) {}
	CHECK("splice to a terminal", st == 0);
	return t_end();
}
