/* System V semaphores: semget(2), semop(2), semctl(2). Who sleeps is known by GETNCNT and GETZCNT, not by time. */
#include "t.h"

#include <pthread.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif

union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };

static key_t key;

static int ctl(int id, int n, int cmd, int val)
{
	return semctl(id, n, cmd, (union semun){.val = val});
}

static int stat_of(int id, int cmd, struct semid_ds *ds)
{
	return semctl(id, 0, cmd, (union semun){.buf = ds});
}

static int op(int id, int num, int by, int flags)
{
	struct sembuf s = {num, by, flags};
	return semop(id, &s, 1);
}

static int value(int id, int n) { return semctl(id, n, GETVAL); }

static void until(int id, int n, int cmd, int count)
{
	while (semctl(id, n, cmd) != count) sched_yield();
}

static int status_of(int pid)
{
	int status;
	waitpid(pid, &status, 0);
	return status;
}

/* A child that does `ops`, and exits with its errno; it sleeps by the time that this returns, if `cmd` says of `n`. */
#define CHILD(...) ({ fflush(stdout); int t_child = fork(); if (t_child == 0) { errno = 0; __VA_ARGS__; _exit(errno); } t_child; })

static void sets(void)
{
	int id = semget(key, 3, IPC_CREAT | IPC_EXCL | 0640);
	struct semid_ds ds;
	CHECK("a new set", id >= 0);
	CHECK("by its key again", semget(key, 0, 0) == id && semget(key, 3, IPC_CREAT) == id);
	CHECK_ERRNO("with more in it", semget(key, 4, 0), EINVAL);
	CHECK_ERRNO("IPC_EXCL", semget(key, 4, IPC_CREAT | IPC_EXCL), EEXIST);
	CHECK_ERRNO("no such key", semget(key ^ 0x40000000, 1, 0), ENOENT);
	CHECK_ERRNO("none in it", semget(IPC_PRIVATE, 0, 0600), EINVAL);
	CHECK_ERRNO("less than none", semget(IPC_PRIVATE, -1, 0600), EINVAL);
	CHECK_ERRNO("too many", semget(IPC_PRIVATE, 1 << 20, 0600), EINVAL);
	CHECK("IPC_STAT", stat_of(id, IPC_STAT, &ds) == 0 && ds.sem_nsems == 3 && ds.sem_otime == 0 && ds.sem_ctime > 1000000000);
	CHECK("its key and mode", ds.sem_perm.__key == key && ds.sem_perm.mode == 0640);
	CHECK("zeroes that nobody set", value(id, 2) == 0 && semctl(id, 2, GETPID) == 0);
	CHECK_ERRNO("no such semaphore", value(id, 3), EINVAL);
	CHECK_ERRNO("nor a negative one", value(id, -1), EINVAL);
	CHECK("SETVAL", ctl(id, 1, SETVAL, 7) == 0 && value(id, 1) == 7 && semctl(id, 1, GETPID) == getpid());
	CHECK_ERRNO("too much", ctl(id, 1, SETVAL, 32768), ERANGE);
	CHECK_ERRNO("too little", ctl(id, 1, SETVAL, -1), ERANGE);
	CHECK_ERRNO("ERANGE comes first", ctl(id, 9, SETVAL, -1), ERANGE);
	CHECK_ERRNO("SETVAL of none", ctl(id, 3, SETVAL, 1), EINVAL);
	unsigned short all[3] = {1, 32767, 3};
	CHECK("SETALL", semctl(id, 0, SETALL, (union semun){.array = all}) == 0 && value(id, 1) == 32767);
	memset(all, 0, sizeof all);
	CHECK("GETALL", semctl(id, 99, GETALL, (union semun){.array = all}) == 0 && all[0] == 1 && all[2] == 3);
	all[2] = 40000;
	CHECK_ERRNO("SETALL with too much", semctl(id, 0, SETALL, (union semun){.array = all}), ERANGE);
	CHECK_ERRNO("SETALL from nowhere", syscall(SYS_semctl, id, 0, SETALL, 8), EFAULT);
	CHECK_ERRNO("GETALL to nowhere", syscall(SYS_semctl, id, 0, GETALL, 8), EFAULT);
	CHECK_ERRNO("no such command", syscall(SYS_semctl, id, 0, 99, 0), EINVAL);

	ds.sem_perm.mode = 0600;
	ds.sem_nsems = 99;
	CHECK("IPC_SET", stat_of(id, IPC_SET, &ds) == 0 && stat_of(id, IPC_STAT, &ds) == 0);
	CHECK("changes the mode alone", ds.sem_perm.mode == 0600 && ds.sem_nsems == 3);
	struct seminfo info;
	int top = semctl(0, 0, SEM_INFO, (union semun){.info = &info});
	CHECK("SEM_INFO counts", top >= id % 32768 && info.semusz >= 1 && info.semaem >= 3);
	top = semctl(0, 0, IPC_INFO, (union semun){.info = &info});
	CHECK("IPC_INFO", top >= id % 32768 && info.semvmx == 32767 && info.semusz == 20 && info.semaem == 32767);
	CHECK("SEM_STAT by the index", stat_of(id % 32768, SEM_STAT, &ds) == id && stat_of(id % 32768, SEM_STAT_ANY, &ds) == id);

	char line[300];
	int found = 0, k, i, mode, n;
	FILE *f = fopen("/proc/sysvipc/sem", "r");
	CHECK(fgets(line, sizeof line, f) != NULL);
	printf("%s", line);
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "%d %d %o %d", &k, &i, &mode, &n) == 4 && i == id && k == key && mode == 0600 && n == 3) found++;
	fclose(f);
	CHECK("/proc/sysvipc/sem", found == 1);
	CHECK("IPC_RMID", semctl(id, 0, IPC_RMID) == 0);
	CHECK_ERRNO("once", semctl(id, 0, IPC_RMID), EINVAL);
	CHECK_ERRNO("gone", op(id, 0, 1, 0), EINVAL);
}

static void operations(void)
{
	int id = semget(IPC_PRIVATE, 4, 0600);
	struct sembuf many[3] = {{0, 2, 0}, {1, 1, 0}, {0, -2, 0}};
	struct sembuf tangled[3] = {{0, 1, 0}, {0, -1, 0}, {0, 0, IPC_NOWAIT}};
	struct sembuf stuck[3] = {{0, 5, SEM_UNDO}, {1, -1, 0}, {1, -1, IPC_NOWAIT}};
	struct sembuf far[2] = {{0, 1, 0}, {4, 1, 0}};
	struct sembuf up[2] = {{0, 1, 0}, {3, 32767, 0}};
	static struct sembuf too_many[501];
	CHECK("up and down in one", semop(id, many, 3) == 0 && value(id, 0) == 0 && value(id, 1) == 1);
	CHECK("each on what the one before left", semop(id, tangled, 3) == 0 && value(id, 0) == 0);
	CHECK_ERRNO("one that cannot", semop(id, stuck, 3), EAGAIN);
	CHECK("means none", value(id, 0) == 0 && value(id, 1) == 1);
	CHECK("or all", op(id, 3, 1, 0) == 0 && value(id, 3) == 1);
	CHECK_ERRNO("more than a semaphore holds", semop(id, up, 2), ERANGE);
	CHECK("nothing done", value(id, 0) == 0 && value(id, 3) == 1);
	CHECK_ERRNO("no such semaphore", semop(id, far, 2), EFBIG);
	CHECK_ERRNO("no operations", semop(id, far, 0), EINVAL);
	CHECK_ERRNO("too many", semop(id, too_many, 501), E2BIG);
	CHECK_ERRNO("too many comes first", semop(-1, (void *)8, 501), E2BIG);
	CHECK_ERRNO("from nowhere", semop(-1, (void *)8, 1), EFAULT);
	CHECK_ERRNO("no such set", op(-1, 0, 1, 0), EINVAL);
	CHECK_ERRNO("not zero", op(id, 3, 0, IPC_NOWAIT), EAGAIN);
	CHECK("zero", op(id, 0, 0, IPC_NOWAIT) == 0);
	struct timespec none = {0, 0}, bad = {0, 1000000000}, soon = {0, 1000000};
	struct sembuf down = {0, -1, 0};
	CHECK_ERRNO("no time at all", semtimedop(id, &down, 1, &none), EAGAIN);
	CHECK_ERRNO("a little", semtimedop(id, &down, 1, &soon), EAGAIN);
	CHECK_ERRNO("no time", semtimedop(id, &down, 1, &bad), EINVAL);
	CHECK_ERRNO("a time from nowhere", semtimedop(id, &down, 1, (void *)8), EFAULT);
	CHECK("nobody waits", semctl(id, 0, GETNCNT) == 0 && semctl(id, 0, GETZCNT) == 0);
	semctl(id, 0, IPC_RMID);
}

static void caught(int sig) { (void)sig; }

static void sleepers(void)
{
	int id = semget(IPC_PRIVATE, 3, 0600), a, b, c;
	struct sembuf both[2] = {{0, -1, 0}, {1, -1, 0}};
	struct sembuf after[2] = {{0, 0, 0}, {2, 1, 0}};

	a = CHILD(op(id, 0, -1, 0));
	until(id, 0, GETNCNT, 1);
	CHECK("a sleeper is counted", semctl(id, 0, GETZCNT) == 0 && semctl(id, 1, GETNCNT) == 0);
	CHECK("and woken", op(id, 0, 1, 0) == 0 && semctl(id, 0, GETPID) == a);
	CHECK("by the time the other returns", value(id, 0) == 0 && status_of(a) == 0);

	a = CHILD(op(id, 0, -2, 0));
	until(id, 0, GETNCNT, 1);
	b = CHILD(op(id, 0, -1, 0));
	until(id, 0, GETNCNT, 2);
	CHECK("who can go on does, though another came first", op(id, 0, 1, 0) == 0 && semctl(id, 0, GETPID) == b);
	status_of(b);
	b = CHILD(op(id, 0, -2, 0));
	until(id, 0, GETNCNT, 2);
	op(id, 0, 2, 0);
	CHECK("of two alike the first", semctl(id, 0, GETPID) == a && semctl(id, 0, GETNCNT) == 1 && status_of(a) == 0);
	op(id, 0, 2, 0);
	status_of(b);

	a = CHILD(semop(id, both, 2));
	until(id, 0, GETNCNT, 1);
	op(id, 0, 1, 0);
	CHECK("one of two is not enough", semctl(id, 1, GETNCNT) == 1 && semctl(id, 0, GETNCNT) == 0 && value(id, 0) == 1);
	op(id, 1, 1, 0);
	CHECK("both at once", value(id, 0) == 0 && value(id, 1) == 0 && status_of(a) == 0);

	ctl(id, 0, SETVAL, 2);
	a = CHILD(op(id, 0, 0, 0));
	b = CHILD(semop(id, after, 2));
	until(id, 0, GETZCNT, 2);
	c = CHILD(op(id, 2, -1, 0));
	until(id, 2, GETNCNT, 1);
	CHECK("zero lets go of all that wait for it, and of who waits for them",
	      op(id, 0, -2, 0) == 0 && !status_of(a) && !status_of(b) && !status_of(c) && value(id, 2) == 0);

	a = CHILD(op(id, 0, -1, 0));
	until(id, 0, GETNCNT, 1);
	CHECK("SETVAL wakes", ctl(id, 0, SETVAL, 1) == 0 && status_of(a) == 0 && value(id, 0) == 0);

	struct sigaction sa = {.sa_handler = caught, .sa_flags = SA_RESTART};
	a = CHILD(sigaction(SIGUSR1, &sa, NULL); op(id, 0, -1, 0));
	until(id, 0, GETNCNT, 1);
	kill(a, SIGUSR1);
	CHECK("a handler ends it, SA_RESTART or not", status_of(a) == EINTR << 8 && semctl(id, 0, GETNCNT) == 0);
	a = CHILD(op(id, 0, -1, 0));
	until(id, 0, GETNCNT, 1);
	kill(a, SIGSTOP);
	int status;
	waitpid(a, &status, WUNTRACED);
	kill(a, SIGCONT);
	CHECK("so does a stop", status_of(a) == EINTR << 8);
	a = CHILD(op(id, 0, -1, 0));
	until(id, 0, GETNCNT, 1);
	kill(a, SIGKILL);
	status_of(a);
	CHECK("the dead do not wait", semctl(id, 0, GETNCNT) == 0);

	struct semid_ds ds;
	stat_of(id, IPC_STAT, &ds);
	CHECK("sem_otime", ds.sem_otime > 1000000000);
	a = CHILD(op(id, 0, -1, 0));
	until(id, 0, GETNCNT, 1);
	b = CHILD(ctl(id, 1, SETVAL, 1); errno = 0; op(id, 1, 0, 0));
	until(id, 1, GETZCNT, 1);
	semctl(id, 0, IPC_RMID);
	CHECK("IPC_RMID wakes all", status_of(a) == EIDRM << 8 && status_of(b) == EIDRM << 8);
}

static int thread_id;
static void *undoes(void *arg) { (void)arg; op(thread_id, 0, 4, SEM_UNDO); return NULL; }

static void undo(char *self)
{
	int id = semget(IPC_PRIVATE, 2, 0600), a;
	ctl(id, 0, SETVAL, 5);
	CHECK("taken back at exit", STATUS_OF(op(id, 0, -3, SEM_UNDO); if (value(id, 0) != 2) _exit(1)) == 0 && value(id, 0) == 5);
	CHECK("as the last who did", semctl(id, 0, GETPID) != getpid());
	CHECK("and when killed", STATUS_OF(op(id, 0, -3, SEM_UNDO); kill(getpid(), SIGKILL)) == SIGKILL && value(id, 0) == 5);
	CHECK("all of it", STATUS_OF(op(id, 0, 3, SEM_UNDO); op(id, 0, -4, SEM_UNDO); op(id, 1, 2, SEM_UNDO)) == 0 && value(id, 0) == 5 && value(id, 1) == 0);
	CHECK("but not below nothing", STATUS_OF(op(id, 0, 3, SEM_UNDO); op(id, 0, -7, 0)) == 0 && value(id, 0) == 0);
	ctl(id, 0, SETVAL, 32767);
	CHECK("nor above all", STATUS_OF(op(id, 0, -3, SEM_UNDO); op(id, 0, 2, 0)) == 0 && value(id, 0) == 32767);
	CHECK("SETVAL forgets it", STATUS_OF(op(id, 0, -3, SEM_UNDO); ctl(id, 0, SETVAL, 8)) == 0 && value(id, 0) == 8);
	unsigned short all[2] = {3, 4};
	CHECK("SETALL too", STATUS_OF(op(id, 0, 3, SEM_UNDO); semctl(id, 0, SETALL, (union semun){.array = all})) == 0 && value(id, 0) == 3);
	CHECK("too much to take back", STATUS_OF(
		for (int i = 0; i < 2; i++) if (op(id, 1, 16384, SEM_UNDO) || op(id, 1, -16384, 0)) _exit(1);
		if (op(id, 1, 1, SEM_UNDO) != -1 || errno != ERANGE) _exit(2);
		ctl(id, 1, SETVAL, 4)) == 0);
	CHECK("a child has its own", STATUS_OF(
		op(id, 0, 1, SEM_UNDO);
		if (fork() == 0) _exit(0);
		wait(NULL);
		if (value(id, 0) != 4) _exit(1)) == 0 && value(id, 0) == 3);
	CHECK("exec keeps it", STATUS_OF(op(id, 0, 1, SEM_UNDO); char n[20]; sprintf(n, "%d", id); execl(self, self, n, NULL)) == 0 && value(id, 0) == 3);
	CHECK("threads share it", STATUS_OF(
		pthread_t t;
		thread_id = id;
		pthread_create(&t, NULL, undoes, NULL);
		pthread_join(t, NULL);
		if (value(id, 0) != 7) _exit(1)) == 0 && value(id, 0) == 3);
	CHECK("unshare(2) does it at once", STATUS_OF(op(id, 0, 1, SEM_UNDO); unshare(CLONE_SYSVSEM); if (value(id, 0) != 3) _exit(1)) == 0);
	ctl(id, 0, SETVAL, 0);
	a = CHILD(op(id, 0, -1, 0));
	until(id, 0, GETNCNT, 1);
	ctl(id, 1, SETVAL, 9);
	CHECK("what comes back wakes", STATUS_OF(op(id, 1, -9, SEM_UNDO); if (fork() == 0) { op(id, 1, -9, 0); op(id, 0, 1, 0); _exit(0); } until(id, 1, GETNCNT, 1)) == 0 && status_of(a) == 0);
	a = CHILD(op(id, 0, -1, SEM_UNDO));
	until(id, 0, GETNCNT, 1);
	op(id, 0, 1, 0);
	CHECK("a sleeper's is counted as well", status_of(a) == 0 && value(id, 0) == 1);
	semctl(id, 0, IPC_RMID);
}

static void permissions(void)
{
	if (geteuid() != 0) return;
	int id = semget(key, 1, IPC_CREAT | 0604);
	CHECK("others may what the mode says", STATUS_OF(
		struct semid_ds ds;
		if (setresgid(1234, 1234, 1234) || setresuid(1234, 1234, 1234)) _exit(100);
		if (semget(key, 0, 0400) != id) _exit(1);
		if (semget(key, 0, 0600) != -1 || errno != EACCES) _exit(2);
		if (op(id, 0, 0, 0)) _exit(3);
		if (op(id, 0, 1, 0) != -1 || errno != EACCES) _exit(4);
		if (value(id, 0) != 0 || stat_of(id, IPC_STAT, &ds)) _exit(5);
		if (ctl(id, 0, SETVAL, 1) != -1 || errno != EACCES) _exit(6);
		if (stat_of(id, IPC_SET, &ds) != -1 || errno != EPERM) _exit(7);
		if (semctl(id, 0, IPC_RMID) != -1 || errno != EPERM) _exit(8);
		if (op(id, 9, 1, 0) != -1 || errno != EFBIG) _exit(9)) == 0);
	semctl(id, 0, IPC_RMID);
}

int main(int argc, char **argv)
{
	if (argc > 1) return value(atoi(argv[1]), 0) == 4 ? 0 : 1;
	key = 0x5700000 + getpid() * 4;
	sets();
	operations();
	sleepers();
	undo(argv[0]);
	permissions();
	return t_end();
}
