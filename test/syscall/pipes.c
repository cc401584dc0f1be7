/* Pipes and FIFOs: ends, capacity, atomic writes, EPIPE, blocking, splicing. */
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#include "t.h"
#include "asleep.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static char buf[1 << 20];

static int events(int fd, int want)
{
	struct pollfd p = {fd, want, 0};
	return poll(&p, 1, 0) >= 0 ? p.revents : -1;
}

static void plain(void)
{
	int p[2];
	CHECK("pipe2", pipe2(p, O_CLOEXEC | O_NONBLOCK) == 0 && fcntl(p[0], F_GETFD) == FD_CLOEXEC);
	CHECK_ERRNO("read of an empty one", read(p[0], buf, 1), EAGAIN);
	CHECK("events of an empty one", events(p[0], POLLIN) == 0 && events(p[1], POLLOUT) == POLLOUT);
	CHECK("write and read", write(p[1], "hello", 5) == 5 && read(p[0], buf, 3) == 3 && read(p[0], buf, 9) == 2);
	CHECK_ERRNO("write to the read end", write(p[0], "x", 1), EBADF);
	CHECK_ERRNO("lseek", lseek(p[0], 0, SEEK_CUR), ESPIPE);
	CHECK_ERRNO("pread", pread(p[0], buf, 1, 0), ESPIPE);
	CHECK("its size", fcntl(p[1], F_GETPIPE_SZ) == 65536);
	CHECK("fills up", write(p[1], buf, sizeof buf) == 65536);
	CHECK_ERRNO("is full", write(p[1], buf, 1), EAGAIN);
	CHECK("events of a full one", events(p[1], POLLOUT) == 0 && events(p[0], POLLIN) == POLLIN);
	int n;
	CHECK("FIONREAD", ioctl(p[0], FIONREAD, &n) == 0 && n == 65536);
	CHECK("a small write is whole or nothing", read(p[0], buf, 4095) == 4095 && write(p[1], buf, 4096) == -1 && errno == EAGAIN);
	CHECK_ERRNO("cannot shrink below its contents", fcntl(p[1], F_SETPIPE_SZ, 4096), EBUSY);
	CHECK("grows", fcntl(p[1], F_SETPIPE_SZ, 100000) == 131072 && write(p[1], buf, 5000) == 5000);
	while (read(p[0], buf, sizeof buf) > 0);
	close(p[1]);
	CHECK("end of file", read(p[0], buf, 1) == 0);
	CHECK("POLLHUP", events(p[0], POLLIN) == POLLHUP);
	close(p[0]);
	pipe(p);
	close(p[0]);
	CHECK("POLLERR", events(p[1], POLLOUT) == (POLLOUT | POLLERR));
	CHECK("SIGPIPE", WTERMSIG(STATUS_OF(write(p[1], "x", 1))) == SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO("EPIPE", write(p[1], "x", 1), EPIPE);
	close(p[1]);
	CHECK_ERRNO("pipe2 with odd flags", pipe2(p, O_APPEND), EINVAL);
	CHECK_ERRNO("pipe to nowhere", pipe((int *)8), EFAULT);
}

/* A pipe has one owner, mode and times for both its ends and for /proc/self/fd; so has a socket. */
static void attributes(void)
{
	int p[2], s[2];
	struct stat a, b;
	char by_link[64];
	pipe(p);
	CHECK("fchmod", fchmod(p[0], 0640) == 0 && fstat(p[1], &b) == 0 && b.st_mode == (S_IFIFO | 0640));
	CHECK("fchown", fchown(p[1], 7, 8) == 0 && fstat(p[0], &a) == 0 && a.st_uid == 7 && a.st_gid == 8);
	snprintf(by_link, sizeof by_link, "/proc/self/fd/%d", p[0]);
	CHECK("chown by its link", chown(by_link, 9, -1) == 0 && fstat(p[1], &b) == 0 && b.st_uid == 9 && b.st_gid == 8);
	CHECK("chmod by its link", chmod(by_link, 0600) == 0 && fstat(p[1], &b) == 0 && b.st_mode == (S_IFIFO | 0600));
	struct timespec t[2] = {{1000, 5}, {2000, 6}};
	CHECK("futimens", futimens(p[0], t) == 0 && fstat(p[1], &b) == 0 && b.st_atime == 1000 && b.st_mtime == 2000);
	if (fork() == 0) {
		setuid(1);
		int r = fchown(p[0], 1, -1) == -1 && errno == EPERM && fchmod(p[0], 0666) == -1 && errno == EPERM &&
			futimens(p[0], t) == -1 && errno == EPERM && futimens(p[0], NULL) == -1 && errno == EACCES;
		_exit(r);
	}
	int status;
	CHECK("not by others", wait(&status) > 0 && WEXITSTATUS(status) == 1);
	close(p[0]);
	close(p[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	CHECK("fchown of a socket", fchown(s[0], 7, 8) == 0 && fstat(s[0], &a) == 0 && a.st_uid == 7 && a.st_gid == 8);
	CHECK("each has its own", fstat(s[1], &b) == 0 && b.st_uid == getuid() && a.st_ino != b.st_ino);
	CHECK("fchmod of a socket", fchmod(s[0], 0600) == 0 && fstat(s[0], &a) == 0 && a.st_mode == (S_IFSOCK | 0600));
	close(s[0]);
	close(s[1]);
}

static void blocking(void)
{
	int p[2];
	pipe(p);
	pid_t pid = fork();
	if (pid == 0) {
		close(p[1]);
		long total = 0, n;
		usleep(20000);
		while ((n = read(p[0], buf, 5000)) > 0) total += n;
		_exit(total == 300000 ? 0 : 1);
	}
	close(p[0]);
	CHECK("a long write blocks until all is taken", write(p[1], buf, 300000) == 300000);
	close(p[1]);
	int status;
	waitpid(pid, &status, 0);
	CHECK("and all arrives", status == 0);
	pipe(p);
	pid = fork();
	if (pid == 0) {
		usleep(20000);
		write(p[1], "x", 1);
		_exit(0);
	}
	struct pollfd f = {p[0], POLLIN, 0};
	CHECK("poll sleeps until there is something", poll(&f, 1, 5000) == 1 && f.revents == POLLIN);
	CHECK("read", read(p[0], buf, 10) == 1);
	waitpid(pid, &status, 0);
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	CHECK("poll times out", poll(&f, 1, 30) == 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	CHECK("after the time asked for", ms >= 29 && ms < 2000);
	/* Many small messages there and back. */
	int q[2];
	pipe(q);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 1000; i++) {
			if (read(p[0], buf, 1) != 1 || write(q[1], buf, 1) != 1) _exit(1);
		}
		_exit(0);
	}
	int good = 0;
	for (int i = 0; i < 1000; i++) {
		char c = i, d;
		good += write(p[1], &c, 1) == 1 && read(q[0], &d, 1) == 1 && c == d;
	}
	waitpid(pid, &status, 0);
	CHECK("a thousand round trips", good == 1000 && status == 0);
	close(p[0]); close(p[1]); close(q[0]); close(q[1]);
}

static void on_alarm(int sig) { (void)sig; }

static void interrupted(void)
{
	int p[2];
	pipe(p);
	struct sigaction sa = {.sa_handler = on_alarm};
	sigaction(SIGUSR1, &sa, NULL);
	pid_t me = getpid(), pid = fork();
	if (pid == 0) {
		asleep(me);
		kill(me, SIGUSR1);
		_exit(0);
	}
	CHECK_ERRNO("a signal ends a read", read(p[0], buf, 1), EINTR);
	waitpid(pid, NULL, 0);
	pid = fork();
	if (pid == 0) {
		asleep(me);
		kill(me, SIGUSR1);
		_exit(0);
	}
	CHECK("a signal cuts a write short", write(p[1], buf, 200000) == 65536);
	waitpid(pid, NULL, 0);
	while (fcntl(p[0], F_SETFL, O_NONBLOCK), read(p[0], buf, sizeof buf) > 0);
	fcntl(p[0], F_SETFL, 0);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	pid = fork();
	if (pid == 0) {
		asleep(me);
		kill(me, SIGUSR1);
		usleep(20000);
		write(p[1], "r", 1);
		_exit(0);
	}
	CHECK("SA_RESTART goes on reading", read(p[0], buf, 10) == 1);
	waitpid(pid, NULL, 0);
	close(p[0]);
	close(p[1]);
}

static void fifos(void)
{
	mkfifo("fifo", 0600);
	CHECK_ERRNO("a writer without a reader", open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	int r = open("fifo", O_RDONLY | O_NONBLOCK);
	CHECK("a reader need not wait", r >= 0);
	CHECK("no hang-up before the first writer", events(r, POLLIN) == 0);
	CHECK("but nothing to read", read(r, buf, 1) == 0);
	int w = open("fifo", O_WRONLY | O_NONBLOCK);
	CHECK("then a writer may come", w >= 0 && write(w, "ab", 2) == 2 && read(r, buf, 9) == 2);
	close(w);
	CHECK("hang-up after the last writer", events(r, POLLIN) == POLLHUP);
	close(r);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open("fifo", O_WRONLY);
		write(fd, "met", 3);
		_exit(0);
	}
	r = open("fifo", O_RDONLY);
	CHECK("opening waits for the other side", r >= 0 && read(r, buf, 9) == 3);
	waitpid(pid, NULL, 0);
	close(r);
	pid = fork();
	if (pid == 0) {
		usleep(20000);
		int fd = open("fifo", O_RDONLY);
		_exit(read(fd, buf, 9) == 2 ? 0 : 1);
	}
	w = open("fifo", O_WRONLY);
	write(w, "hi", 2);
	close(w);
	int status;
	waitpid(pid, &status, 0);
	CHECK("the other way round", status == 0);
	int rw = open("fifo", O_RDWR);
	CHECK("both ends in one", rw >= 0 && write(rw, "x", 1) == 1 && read(rw, buf, 9) == 1);
	close(rw);
	unlink("fifo");
}

static void splicing(void)
{
	int p[2], q[2];
	pipe(p);
	pipe(q);
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	write(fd, "0123456789", 10);
	loff_t off = 2;
	CHECK("splice from a file", splice(fd, &off, p[1], NULL, 5, 0) == 5 && off == 7);
	CHECK("tee", tee(p[0], q[1], 100, 0) == 5 && read(q[0], buf, 10) == 5 && !memcmp(buf, "23456", 5));
	CHECK("splice between pipes", splice(p[0], NULL, q[1], NULL, 3, 0) == 3 && read(q[0], buf, 10) == 3);
	off = 0;
	CHECK("splice to a file", splice(p[0], NULL, fd, &off, 10, 0) == 2 && off == 2 && pread(fd, buf, 4, 0) == 4 && !memcmp(buf, "5623", 4));
	CHECK_ERRNO("splice between files", splice(fd, NULL, fd, NULL, 1, 0), EINVAL);
	off = 4;
	CHECK("sendfile to a pipe", sendfile(p[1], fd, &off, 3) == 3 && off == 7 && read(p[0], buf, 10) == 3 && !memcmp(buf, "456", 3));
	lseek(fd, 0, SEEK_SET);
	int to = open("g", O_CREAT | O_RDWR, 0600);
	CHECK("sendfile to a file", sendfile(to, fd, NULL, 100) == 10 && lseek(fd, 0, SEEK_CUR) == 10);
	loff_t in = 3, out = 20;
	CHECK("copy_file_range", copy_file_range(fd, &in, to, &out, 4, 0) == 4 && in == 7 && out == 24);
	CHECK("into the file", pread(to, buf, 4, 20) == 4 && !memcmp(buf, "3456", 4));
	CHECK("copy_file_range at the end", copy_file_range(fd, NULL, to, NULL, 4, 0) == 0);
	close(fd);
	close(to);
	unlink("f");
	unlink("g");
	write(p[1], "again", 5);
	char path[64];
	sprintf(path, "/proc/self/fd/%d", p[0]);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	CHECK("a pipe opens again through /proc", fd >= 0 && read(fd, buf, 10) == 5);
	struct stat a, b;
	CHECK("and is the same", fstat(fd, &a) == 0 && fstat(p[0], &b) == 0 && a.st_ino == b.st_ino);
	close(fd);
	close(p[0]); close(p[1]); close(q[0]); close(q[1]);
}

int main(void)
{
	char dir[] = "/tmp/pipes.XXXXXX";
	CHECK("a directory to work in", mkdtemp(dir) && chdir(dir) == 0);
	plain();
	attributes();
	blocking();
	interrupted();
	fifos();
	splicing();
	CHECK("the directory is empty again", chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
