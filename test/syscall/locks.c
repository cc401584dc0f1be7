/* Locks on files: flock, POSIX record locks, open file description locks. */
#include "t.h"
#include "asleep.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct flock lock_of(int type, long start, long len)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	return l;
}

static int set(int fd, int cmd, int type, long start, long len)
{
	struct flock l = lock_of(type, start, len);
	return fcntl(fd, cmd, &l);
}

/* What has no place in a file system is locked all the same: systemd shares name spaces by a locked socket. */
static void placeless(void)
{
	int p[2], s[2];
	pipe(p);
	CHECK("both ends of a pipe are one file", flock(p[0], LOCK_EX) == 0 && flock(p[1], LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK);
	int dup_of_p0 = dup(p[0]);
	close(p[0]);
	CHECK("the lock lives with the description", flock(p[1], LOCK_EX | LOCK_NB) == -1);
	close(dup_of_p0);
	CHECK("and goes with it", flock(p[1], LOCK_EX | LOCK_NB) == 0);
	close(p[1]);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	CHECK("sockets", flock(s[0], LOCK_EX | LOCK_NB) == 0 && flock(s[1], LOCK_EX | LOCK_NB) == 0);
	CHECK("a record lock of a socket", set(s[0], F_SETLK, F_WRLCK, 0, 0) == 0);
	pid_t me = getpid();
	CHECK("what another process finds on it", STATUS_OF({
		struct flock l = lock_of(F_WRLCK, 0, 0);
		if (fcntl(s[0], F_GETLK, &l) || l.l_type != F_WRLCK || l.l_pid != me) _exit(1);
		if (set(s[0], F_SETLK, F_RDLCK, 5, 1) == 0 || errno != EAGAIN) _exit(2);
		if (set(s[1], F_SETLK, F_WRLCK, 0, 0)) _exit(3);
	}) == 0);
	CHECK("unlocked", set(s[0], F_SETLK, F_UNLCK, 0, 0) == 0 && STATUS_OF({
		if (set(s[0], F_OFD_SETLK, F_WRLCK, 0, 0)) _exit(1);
	}) == 0);
	close(s[0]);
	close(s[1]);
	CHECK("pipes by their ends' modes", pipe(p) == 0 && set(p[0], F_SETLK, F_WRLCK, 0, 0) == -1 && errno == EBADF &&
	      set(p[0], F_SETLK, F_RDLCK, 0, 0) == 0);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	placeless();
	char name[] = "/tmp/locks.XXXXXX";
	int a = mkstemp(name), b = open(name, O_RDWR), status;
	CHECK("flock shared twice", flock(a, LOCK_SH) == 0 && flock(b, LOCK_SH) == 0);
	CHECK_ERRNO("flock exclusive beside shared", flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	flock(a, LOCK_UN);
	flock(b, LOCK_UN);
	CHECK("flock exclusive", flock(a, LOCK_EX) == 0 && flock(b, LOCK_SH | LOCK_NB) == -1);
	int c = dup(a);
	close(a);
	CHECK("flock lives with the description", flock(b, LOCK_SH | LOCK_NB) == -1);
	pid_t pid = fork();
	if (pid == 0) {
		close(c);
		_exit(flock(b, LOCK_EX) == 0 ? 0 : 1);
	}
	asleep(pid);
	close(c);
	waitpid(pid, &status, 0);
	CHECK("closing the last descriptor lets a waiter in", status == 0);
	flock(b, LOCK_UN);
	CHECK_ERRNO("flock with odd bits", flock(b, 64), EINVAL);
	a = open(name, O_RDWR);
	CHECK("record lock", set(a, F_SETLK, F_WRLCK, 10, 10) == 0);
	CHECK("one's own locks do not conflict", set(b, F_SETLK, F_RDLCK, 12, 2) == 0);
	pid_t me = getpid();
	CHECK("what another process finds", STATUS_OF({
		struct flock l = lock_of(F_WRLCK, 0, 0);
		if (fcntl(b, F_GETLK, &l) || l.l_type != F_WRLCK || l.l_start != 10 || l.l_len != 2 || l.l_pid != me) _exit(1);
		l = lock_of(F_RDLCK, 12, 2);
		if (fcntl(b, F_GETLK, &l) || l.l_type != F_UNLCK) _exit(2);
		l = lock_of(F_WRLCK, 12, 2);
		if (fcntl(b, F_GETLK, &l) || l.l_type != F_RDLCK || l.l_start != 12 || l.l_len != 2) _exit(3);
		if (set(b, F_SETLK, F_RDLCK, 14, 1) != -1 || errno != EAGAIN) _exit(4);
		if (set(b, F_SETLK, F_WRLCK, 20, 0) != 0) _exit(5);
	}) == 0);
	CHECK("unlock the middle", set(a, F_SETLK, F_UNLCK, 13, 4) == 0);
	CHECK("which is free now", STATUS_OF(_exit(set(b, F_SETLK, F_WRLCK, 13, 4) != 0)) == 0);
	CHECK("but not the rest", STATUS_OF(_exit(set(b, F_SETLK, F_WRLCK, 17, 1) == 0)) == 0);
	close(open(name, O_RDONLY));
	CHECK("closing any descriptor drops them all", STATUS_OF(_exit(set(b, F_SETLK, F_WRLCK, 0, 0) != 0)) == 0);
	CHECK_ERRNO("a write lock needs a writable descriptor", set(open(name, O_RDONLY), F_SETLK, F_WRLCK, 0, 1), EBADF);
	CHECK_ERRNO("before the start of the file", set(a, F_SETLK, F_WRLCK, -5, 1), EINVAL);
	set(a, F_SETLK, F_WRLCK, 0, 1);
	pid = fork();
	if (pid == 0) _exit(set(b, F_SETLKW, F_WRLCK, 0, 1) != 0);
	asleep(pid);
	set(a, F_SETLK, F_UNLCK, 0, 1);
	waitpid(pid, &status, 0);
	CHECK("F_SETLKW waits", status == 0);
	set(a, F_SETLK, F_WRLCK, 0, 1);
	int p[2];
	pipe(p);
	pid = fork();
	if (pid == 0) {
		set(b, F_SETLK, F_WRLCK, 5, 1);
		write(p[1], "x", 1);
		_exit(set(b, F_SETLKW, F_WRLCK, 0, 1) != 0);
	}
	char x;
	read(p[0], &x, 1);
	asleep(pid);
	CHECK_ERRNO("a deadlock is found", set(a, F_SETLKW, F_WRLCK, 5, 1), EDEADLK);
	set(a, F_SETLK, F_UNLCK, 0, 0);
	waitpid(pid, &status, 0);
	CHECK("and the other goes on", status == 0);
	CHECK("OFD lock", set(a, F_OFD_SETLK, F_WRLCK, 0, 10) == 0);
	CHECK_ERRNO("conflicts within a process", set(b, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN);
	struct flock l = lock_of(F_RDLCK, 0, 1);
	CHECK("and has no pid", fcntl(b, F_OFD_GETLK, &l) == 0 && l.l_type == F_WRLCK && l.l_pid == -1);
	l = lock_of(F_RDLCK, 50, 1);
	l.l_pid = 1;
	CHECK_ERRNO("OFD locks want pid 0", fcntl(b, F_OFD_SETLK, &l), EINVAL);
	close(open(name, O_RDONLY));
	CHECK("closing another descriptor keeps it", set(b, F_OFD_SETLK, F_RDLCK, 5, 1) == -1);
	close(a);
	CHECK("closing its own does not", set(b, F_OFD_SETLK, F_RDLCK, 5, 1) == 0);
	unlink(name);
	return t_end();
}
