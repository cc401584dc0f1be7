/* System V message queues: msgget(2), msgop(2), msgctl(2). Who sleeps is known by /proc or does not matter. */
#include "t.h"
#include "asleep.h"

#include <limits.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/syscall.h>

#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13
#endif
#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

struct msg { long type; char text[9000]; };

static key_t key;
static struct msg in, out;

static int put(int id, long type, const char *text, int flags)
{
	out.type = type;
	strcpy(out.text, text);
	return msgsnd(id, &out, strlen(text), flags);
}

/* The text that came, or the name of the error. */
static const char *get(int id, size_t size, long type, int flags)
{
	memset(&in, 0, sizeof in);
	ssize_t n = msgrcv(id, &in, size, type, flags);
	return n < 0 ? strerrorname_np(errno) : in.text;
}

#define IS(got, want) (strcmp((got), (want)) == 0)

static struct msqid_ds ds_of(int id)
{
	struct msqid_ds ds;
	memset(&ds, 0, sizeof ds);
	msgctl(id, IPC_STAT, &ds);
	return ds;
}

static int status_of(int pid)
{
	int status;
	waitpid(pid, &status, 0);
	return status;
}

#define CHILD(...) ({ fflush(stdout); int t_child = fork(); if (t_child == 0) { __VA_ARGS__; _exit(0); } t_child; })

static void queues(void)
{
	int id = msgget(key, IPC_CREAT | IPC_EXCL | 0640);
	struct msqid_ds ds = ds_of(id);
	CHECK("a new queue", id >= 0 && msgget(key, 0) == id);
	CHECK_ERRNO("IPC_EXCL", msgget(key, IPC_CREAT | IPC_EXCL), EEXIST);
	CHECK_ERRNO("no such key", msgget(key ^ 0x40000000, 0), ENOENT);
	CHECK("empty", ds.msg_qnum == 0 && ds.__msg_cbytes == 0 && ds.msg_stime == 0 && ds.msg_lspid == 0 && ds.msg_ctime > 1000000000);
	CHECK("its key and mode", ds.msg_perm.__key == key && ds.msg_perm.mode == 0640);
	put(id, 1, "hello", 0);
	ds = ds_of(id);
	CHECK("counted", ds.msg_qnum == 1 && ds.__msg_cbytes == 5 && ds.msg_lspid == getpid() && ds.msg_stime > 1000000000 && ds.msg_rtime == 0);
	ds.msg_qbytes = 100;
	ds.msg_perm.mode = 0600;
	CHECK("IPC_SET", msgctl(id, IPC_SET, &ds) == 0 && ds_of(id).msg_qbytes == 100 && ds_of(id).msg_perm.mode == 0600);
	CHECK_ERRNO("IPC_SET from nowhere", syscall(SYS_msgctl, id, IPC_SET, 8), EFAULT);
	CHECK_ERRNO("no such command", syscall(SYS_msgctl, id, 99, &ds), EINVAL);
	struct msginfo info;
	CHECK("MSG_INFO", msgctl(0, MSG_INFO, (void *)&info) >= id % 32768 && info.msgpool >= 1 && info.msgmap >= 1 && info.msgtql >= 5);
	CHECK("IPC_INFO", msgctl(0, IPC_INFO, (void *)&info) >= id % 32768 && info.msgssz == 16 && info.msgseg == 0xffff);
	CHECK("MSG_STAT by the index", msgctl(id % 32768, MSG_STAT, &ds) == id && msgctl(id % 32768, MSG_STAT_ANY, &ds) == id);

	char line[300];
	int found = 0, k, i, mode, bytes, n;
	FILE *f = fopen("/proc/sysvipc/msg", "r");
	CHECK(fgets(line, sizeof line, f) != NULL);
	printf("%s", line);
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "%d %d %o %d %d", &k, &i, &mode, &bytes, &n) == 5 && i == id && k == key && mode == 0600 && bytes == 5 && n == 1) found++;
	fclose(f);
	CHECK("/proc/sysvipc/msg", found == 1);
	CHECK("IPC_RMID", msgctl(id, IPC_RMID, NULL) == 0);
	CHECK_ERRNO("once", msgctl(id, IPC_RMID, NULL), EINVAL);
}

static void messages(void)
{
	int id = msgget(IPC_PRIVATE, 0600);
	CHECK_ERRNO("no type", put(id, 0, "x", 0), EINVAL);
	CHECK_ERRNO("a negative type", put(id, -1, "x", 0), EINVAL);
	CHECK_ERRNO("too long", msgsnd(id, &out, 8193, 0), EINVAL);
	CHECK_ERRNO("from nowhere", syscall(SYS_msgsnd, id, 8, 1, 0), EFAULT);
	CHECK_ERRNO("no such queue", put(-1, 1, "x", 0), EINVAL);
	CHECK("none there", IS(get(id, 100, 0, IPC_NOWAIT), "ENOMSG"));
	put(id, 3, "three", 0);
	put(id, 1, "one", 0);
	put(id, 2, "two", 0);
	put(id, 1, "uno", 0);
	CHECK("the first of a type", IS(get(id, 100, 2, 0), "two") && in.type == 2);
	put(id, 2, "two", 0);
	CHECK("of the least up to one", IS(get(id, 100, -2, 0), "one"));
	CHECK("none of that", IS(get(id, 100, 9, IPC_NOWAIT), "ENOMSG"));
	CHECK("MSG_EXCEPT", IS(get(id, 100, 3, MSG_EXCEPT), "uno"));
	CHECK("MSG_COPY by its place", IS(get(id, 100, 1, MSG_COPY | IPC_NOWAIT), "two") && in.type == 2);
	CHECK("which is none of them", IS(get(id, 100, 2, MSG_COPY | IPC_NOWAIT), "ENOMSG"));
	CHECK("MSG_COPY alone", IS(get(id, 100, 0, MSG_COPY), "EINVAL"));
	CHECK("MSG_COPY and MSG_EXCEPT", IS(get(id, 100, 0, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT), "EINVAL"));
	CHECK("too long for it", IS(get(id, 4, 0, 0), "E2BIG"));
	CHECK("MSG_NOERROR cuts", IS(get(id, 4, 0, MSG_NOERROR), "thre"));
	CHECK("the rest is gone", ds_of(id).msg_qnum == 1 && ds_of(id).__msg_cbytes == 3);
	CHECK("who and when", ds_of(id).msg_lrpid == getpid() && ds_of(id).msg_rtime > 1000000000);
	CHECK_ERRNO("to nowhere", syscall(SYS_msgrcv, id, 8, 100, 0, 0), EFAULT);
	CHECK("it is gone too", ds_of(id).msg_qnum == 0);
	CHECK_ERRNO("a negative size", syscall(SYS_msgrcv, id, &in, -1L, 0, 0), EINVAL);
	CHECK("no text", put(id, LONG_MAX, "", 0) == 0 && msgrcv(id, &in, 0, LONG_MIN, 0) == 0 && in.type == LONG_MAX);
	put(id, LONG_MAX - 1, "a", 0);
	CHECK("every bit of a type counts", IS(get(id, 9, LONG_MAX - 2, IPC_NOWAIT), "ENOMSG") && IS(get(id, 9, LONG_MAX - 1, 0), "a"));

	struct msqid_ds ds = ds_of(id);
	ds.msg_qbytes = 10;
	msgctl(id, IPC_SET, &ds);
	CHECK("what fits", put(id, 1, "1234567890", 0) == 0);
	CHECK_ERRNO("and what does not", put(id, 1, "1", IPC_NOWAIT), EAGAIN);
	CHECK("but nothing does", msgsnd(id, &out, 0, IPC_NOWAIT) == 0);
	while (msgrcv(id, &in, 100, 0, IPC_NOWAIT) >= 0);
	for (int i = 0; i < 10; i++) msgsnd(id, &out, 0, 0);
	CHECK_ERRNO("as many messages as bytes", msgsnd(id, &out, 0, IPC_NOWAIT), EAGAIN);
	msgctl(id, IPC_RMID, NULL);
}

static void caught(int sig) { (void)sig; }

static void sleepers(void)
{
	int id = msgget(IPC_PRIVATE, 0600), a, b, status;
	a = CHILD(if (!IS(get(id, 100, 5, 0), "five")) _exit(1));
	asleep(a);
	b = CHILD(if (!IS(get(id, 100, -9, 0), "seven")) _exit(1));
	asleep(b);
	put(id, 10, "ten", 0);
	put(id, 5, "five", 0);
	CHECK("handed over to the first who wants it", ds_of(id).msg_lrpid == a && ds_of(id).msg_qnum == 1);
	put(id, 7, "seven", 0);
	CHECK("and to the other", ds_of(id).msg_lrpid == b && status_of(a) == 0 && status_of(b) == 0 && IS(get(id, 9, 0, 0), "ten"));
	a = CHILD(_exit(IS(get(id, 2, 0, 0), "E2BIG") ? 0 : 1));
	asleep(a);
	put(id, 1, "long", 0);
	CHECK("too long for a sleeper", status_of(a) == 0 && IS(get(id, 9, 0, 0), "long"));

	struct msqid_ds ds = ds_of(id);
	ds.msg_qbytes = 10;
	msgctl(id, IPC_SET, &ds);
	put(id, 1, "1234567", 0);
	a = CHILD(if (put(id, 2, "abcdef", 0)) _exit(1));
	asleep(a);
	CHECK("a sender waits for room", ds_of(id).msg_qnum == 1 && IS(get(id, 9, 1, 0), "1234567") && status_of(a) == 0 && IS(get(id, 9, 2, 0), "abcdef"));
	put(id, 1, "1234567", 0);
	a = CHILD(if (put(id, 2, "abcdef", 0)) _exit(1));
	asleep(a);
	ds.msg_qbytes = 20;
	msgctl(id, IPC_SET, &ds);
	CHECK("or for a larger queue", status_of(a) == 0 && ds_of(id).msg_qnum == 2);

	struct sigaction sa = {.sa_handler = caught, .sa_flags = SA_RESTART};
	a = CHILD(sigaction(SIGUSR1, &sa, NULL); _exit(IS(get(id, 9, 77, 0), "EINTR") ? 0 : 1));
	asleep(a);
	kill(a, SIGUSR1);
	CHECK("a handler ends a receiver's sleep", status_of(a) == 0);
	a = CHILD(sigaction(SIGUSR1, &sa, NULL); _exit(put(id, 1, "123456789", 0) == -1 && errno == EINTR ? 0 : 1));
	asleep(a);
	kill(a, SIGUSR1);
	CHECK("and a sender's", status_of(a) == 0 && ds_of(id).msg_qnum == 2);
	a = CHILD(_exit(IS(get(id, 9, 77, 0), "late") ? 0 : 1));
	asleep(a);
	kill(a, SIGSTOP);
	waitpid(a, &status, WUNTRACED);
	kill(a, SIGCONT);
	put(id, 77, "late", 0);
	CHECK("a stop does not", status_of(a) == 0);
	a = CHILD(get(id, 9, 77, 0));
	asleep(a);
	kill(a, SIGKILL);
	status_of(a);
	put(id, 77, "kept", 0);
	CHECK("the dead get nothing", IS(get(id, 9, 77, IPC_NOWAIT), "kept"));

	a = CHILD(_exit(IS(get(id, 9, 77, 0), "EIDRM") ? 0 : 1));
	b = CHILD(_exit(put(id, 1, "123456789", 0) == -1 && errno == EIDRM ? 0 : 1));
	asleep(a);
	asleep(b);
	msgctl(id, IPC_RMID, NULL);
	CHECK("IPC_RMID wakes all", status_of(a) == 0 && status_of(b) == 0);
}

static void permissions(void)
{
	if (geteuid() != 0) return;
	int id = msgget(key, IPC_CREAT | 0604), a;
	put(id, 1, "secret", 0);
	CHECK("others may what the mode says", STATUS_OF(
		if (setresgid(1234, 1234, 1234) || setresuid(1234, 1234, 1234)) _exit(100);
		if (put(id, 1, "x", 0) != -1 || errno != EACCES) _exit(1);
		if (!IS(get(id, 9, 0, 0), "secret")) _exit(2);
		if (msgctl(id, IPC_RMID, NULL) != -1 || errno != EPERM) _exit(3)) == 0);
	struct msqid_ds ds = ds_of(id);
	ds.msg_perm.uid = 1234;
	ds.msg_perm.mode = 0600;
	msgctl(id, IPC_SET, &ds);
	CHECK("the owner may not have more than msgmnb", STATUS_OF(
		if (setresgid(1234, 1234, 1234) || setresuid(1234, 1234, 1234)) _exit(100);
		struct msqid_ds mine = ds_of(id);
		mine.msg_qbytes = 1 << 30;
		if (msgctl(id, IPC_SET, &mine) != -1 || errno != EPERM) _exit(1);
		mine.msg_qbytes = 100;
		if (msgctl(id, IPC_SET, &mine)) _exit(2)) == 0);
	a = CHILD(
		if (setresgid(1234, 1234, 1234) || setresuid(1234, 1234, 1234)) _exit(100);
		_exit(IS(get(id, 9, 0, 0), "EACCES") ? 0 : 1));
	asleep(a);
	ds.msg_perm.mode = 0;
	msgctl(id, IPC_SET, &ds);
	CHECK("a sleeper loses what it may no more", status_of(a) == 0);
	msgctl(id, IPC_RMID, NULL);
}

int main(void)
{
	key = 0x5800000 + getpid() * 4;
	queues();
	messages();
	sleepers();
	permissions();
	return t_end();
}
