/* fanotify's permission events: whoever opens or reads waits for the answer. */
#include "fan.h"
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/epoll.h>

#define PERM (FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_OPEN_EXEC_PERM)

static char prog[PATH_MAX];

/* A child does `what`, and exits with its errno. */
#define CHILD(...) \
	(fflush(stdout), fan_child = fork(), \
	 fan_child == 0 ? ({ errno = 0; int r = ({ __VA_ARGS__; }); _exit(r < 0 ? errno : 0); 0; }) : 0)

static int ends(void)
{
	int status;
	waitpid(fan_child, &status, 0);
	fan_child = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The next question, answered; what it was is printed. */
static void answer(int fan, unsigned response)
{
	struct fanotify_event_metadata m;
	CHECK(read(fan, &m, sizeof m) == sizeof m);
	struct fanotify_response r = {m.fd, response};
	int fd = m.fd;
	m.fd = dup(fd);
	fan_print(&m);
	if (m.mask & PERM) CHECK(write(fan, &r, sizeof r) == sizeof r);
	close(fd);
}

static void opens(void)
{
	int fan = fan_new(FAN_CLASS_CONTENT, O_RDONLY);
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, ".");
	CHILD(open("file", O_RDONLY));
	answer(fan, FAN_ALLOW);
	CHECK("allowed", ends() == 0);
	CHILD(open("file", O_RDONLY));
	answer(fan, FAN_DENY);
	CHECK("denied", ends() == EPERM);
	CHILD(open("file", O_RDWR | O_TRUNC));
	answer(fan, FAN_DENY);
	struct stat st;
	CHECK("not truncated", ends() == EPERM && stat("file", &st) == 0 && st.st_size == 4);
	CHILD(open("new", O_CREAT | O_EXCL | O_RDWR, 0000));
	answer(fan, FAN_ALLOW);
	CHECK("made, once", ends() == 0 && stat("new", &st) == 0);
	CHILD(open("newer", O_CREAT | O_EXCL | O_RDWR, 0600));
	answer(fan, FAN_DENY);
	CHECK("denied, but made", ends() == EPERM && stat("newer", &st) == 0);
	CHILD(open("file", O_RDONLY | O_NONBLOCK));
	answer(fan, FAN_ALLOW);
	CHECK("O_NONBLOCK waits, too", ends() == 0);
	CHILD(open("file", O_PATH));
	CHECK("O_PATH asks nobody", ends() == 0);
	CHECK("nor does stat", stat("file", &st) == 0);
	CHILD(setuid(1000) + open("file", O_RDWR));
	CHECK("nor does who may not open anyhow", ends() == EACCES);
	mkfifo("fifo", 0600);
	CHILD(open("fifo", O_RDWR));
	CHECK("a fifo cannot be asked for", ends() == 0);
	unlink("fifo");
	CHECK_ERRNO("an answer that is none", write(fan, &(struct fanotify_response){5, 0}, 8), EINVAL);
	CHECK_ERRNO("an answer that is both", write(fan, &(struct fanotify_response){5, 3}, 8), EINVAL);
	CHECK_ERRNO("to nobody", write(fan, &(struct fanotify_response){5, FAN_ALLOW}, 8), ENOENT);
	CHECK_ERRNO("too short", write(fan, &(struct fanotify_response){5, FAN_ALLOW}, 7), EINVAL);
	close(fan);
}

static void reads(void)
{
	int fan = fan_new(FAN_CLASS_CONTENT, O_RDONLY);
	char c[8];
	/* Newer Linux asks for those files alone that were opened while somebody wanted to be asked. */
	fan_mark(fan, FAN_MARK_ADD, FAN_ACCESS_PERM, "file");
	int fd = open("file", O_RDONLY), out = open("/dev/null", O_WRONLY);
	CHILD(read(fd, c, 4));
	answer(fan, FAN_ALLOW);
	CHECK("allowed", ends() == 0);
	CHILD(pread(fd, c, 4, 0));
	answer(fan, FAN_DENY);
	CHECK("denied", ends() == EPERM);
	CHILD(lseek(fd, 0, SEEK_SET) + (read(fd, c, 2) == 2 && read(fd, c, 2) == 2 ? 0 : -1));
	answer(fan, FAN_ALLOW);
	answer(fan, FAN_ALLOW);
	CHECK("each time", ends() == 0);
	CHILD(sendfile(out, fd, &(off_t){0}, 4) == 4 ? 0 : -1);
	struct fanotify_event_metadata m;
	CHECK(read(fan, &m, sizeof m) == sizeof m);
	fan_print(&m);
	CHECK(write(fan, &(struct fanotify_response){m.fd, FAN_DENY}, 8) == 8);
	CHECK("sendfile", ends() == EPERM);
	CHILD(write(fd = open("file", O_WRONLY), "4321", 4));
	CHECK("writing asks nobody", ends() == 0);
	fan_mark(fan, FAN_MARK_ADD, FAN_ACCESS_PERM | FAN_ONDIR, ".");
	int dir = open(".", O_RDONLY);
	CHILD((int)syscall(SYS_getdents64, dir, c, 8));
	answer(fan, FAN_DENY);
	CHECK("a directory", ends() == EPERM);
	close(fan);
	close(fd);
	close(out);
	close(dir);
}

static void usr1(int sig) { (void)sig; }

static void ends_of_it(void)
{
	int fan = fan_new(FAN_CLASS_CONTENT | FAN_NONBLOCK, O_RDONLY), p[2];
	struct pollfd waits = {fan, POLLIN, 0};
	struct fanotify_event_metadata m;
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM, "file");
	CHILD(open("file", O_RDONLY));
	CHECK("to poll", poll(&waits, 1, -1) == 1 && waits.revents == POLLIN);
	kill(fan_child, SIGKILL);
	CHECK("killed while it waits", ends() == -SIGKILL);
	CHECK_ERRNO("its question is gone", read(fan, &m, sizeof m), EAGAIN);
	CHILD(open("file", O_RDONLY));
	CHECK(poll(&waits, 1, -1) == 1 && read(fan, &m, sizeof m) == sizeof m);
	kill(fan_child, SIGKILL);
	CHECK("killed after it was read", ends() == -SIGKILL);
	CHECK("can be answered all the same", write(fan, &(struct fanotify_response){m.fd, FAN_ALLOW}, 8) == 8);
	CHECK_ERRNO("once", write(fan, &(struct fanotify_response){m.fd, FAN_ALLOW}, 8), ENOENT);
	close(m.fd);
	CHECK(pipe(p) == 0);
	CHILD(signal(SIGUSR1, usr1); open("file", O_RDONLY));
	CHECK(poll(&waits, 1, -1) == 1 && read(fan, &m, sizeof m) == sizeof m);
	kill(fan_child, SIGUSR1);
	CHECK(write(fan, &(struct fanotify_response){m.fd, FAN_ALLOW}, 8) == 8 && close(m.fd) == 0);
	CHECK("other signals do not interrupt", ends() == 0);
	CHILD(close(fan); open("file", O_RDONLY));
	CHECK(poll(&waits, 1, -1) == 1 && read(fan, &m, sizeof m) == sizeof m);
	close(m.fd);
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM, "file");
	close(fan);
	CHECK("closing allows what was read", ends() == 0);
	fan = fan_new(FAN_CLASS_CONTENT, O_RDONLY);
	waits.fd = fan;
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM, "file");
	CHILD(close(fan); open("file", O_RDONLY));
	CHECK(poll(&waits, 1, -1) == 1);
	close(fan);
	CHECK("and what was not", ends() == 0);
	close(p[0]);
	close(p[1]);
}

static void classes(void)
{
	int late = fan_new(FAN_CLASS_CONTENT, O_RDONLY), early = fan_new(FAN_CLASS_PRE_CONTENT, O_RDONLY);
	int hears = fan_new(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
	fan_mark(late, FAN_MARK_ADD, FAN_OPEN_PERM, "file");
	fan_mark(early, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM, "file");
	fan_mark(hears, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, "file");
	CHILD(open("file", O_RDONLY));
	struct pollfd waits = {late, POLLIN, 0};
	printf("first:\n");
	struct fanotify_event_metadata m;
	CHECK(read(early, &m, sizeof m) == sizeof m);
	CHECK("the later is not asked yet", poll(&waits, 1, 0) == 0);
	CHECK(write(early, &(struct fanotify_response){m.fd, FAN_ALLOW}, 8) == 8);
	fan_print(&m);
	answer(late, FAN_ALLOW);
	CHECK("allowed by both", ends() == 0);
	fan_child = -1;
	fan_show(hears, "and heard");
	CHILD(open("file", O_RDONLY));
	answer(early, FAN_DENY);
	CHECK("denied by one", ends() == EPERM);
	CHECK("the other was not asked", poll(&waits, 1, 0) == 0);
	fan_show(hears, "nothing was opened");
	fan_mark(early, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN_PERM, "file");
	CHILD(open("file", O_RDONLY));
	answer(late, FAN_ALLOW);
	CHECK("who ignores is not asked", ends() == 0);
	close(early);
	close(late);
	close(hears);
}

static void executes(void)
{
	int fan = fan_new(FAN_CLASS_CONTENT, O_RDONLY), status;
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN_EXEC_PERM, "prog");
	CHILD(execl("prog", "prog", "idle", NULL));
	answer(fan, FAN_DENY);
	CHECK("not run", ends() == EPERM);
	CHILD(execl("prog", "prog", "idle", NULL));
	answer(fan, FAN_ALLOW);
	CHECK("run", ends() == 0);
	CHILD(open("prog", O_RDONLY));
	CHECK("reading is not running", ends() == 0);
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_ACCESS_PERM, "prog");
	CHILD(execl("prog", "prog", "idle", NULL));
	answer(fan, FAN_ALLOW);
	answer(fan, FAN_ALLOW);
	struct fanotify_event_metadata m;
	CHECK(read(fan, &m, sizeof m) == sizeof m);
	CHECK("its bytes are asked for", m.mask == FAN_ACCESS_PERM);
	CHECK(write(fan, &(struct fanotify_response){m.fd, FAN_DENY}, 8) == 8);
	waitpid(fan_child, &status, 0);
	CHECK("denied", WIFEXITED(status) && WEXITSTATUS(status) != 0);
	close(fan);
}

static void copy_self(void)
{
	static char block[65536];
	int n = readlink("/proc/self/exe", prog, sizeof prog - 1), out = -1;
	prog[n < 0 ? 0 : n] = 0;
	int in = open(prog, O_RDONLY);
	CHECK(in >= 0 && (out = open("prog", O_WRONLY | O_CREAT, 0755)) >= 0);
	while ((n = read(in, block, sizeof block)) > 0) CHECK(write(out, block, n) == n);
	close(in);
	close(out);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) return 0;
	fan_begin();
	int fan = fanotify_init(FAN_CLASS_CONTENT, O_RDONLY);
	if (fan < 0 || fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, ".") != 0) {
		printf("a Linux without permission events\n");
		return T_NOT_HERE;
	}
	close(fan);
	copy_self();
	put("file", "1234");
	opens();
	reads();
	ends_of_it();
	classes();
	executes();
	return t_end();
}
