/*
 * Random ptrace(2) requests to processes that fork, clone, exec, sleep, signal themselves and each
 * other: argv[1] is the first seed, argv[2] how many rounds, argv[3] how many requests in each.
 * Whatever becomes of them, the kernel must live, and in the end nobody may be left.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned long state;

static unsigned long rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void *thread(void *arg);

static void act(int depth)
{
	static char *const argv[] = {"fuzz", "0", "-1", NULL};
	struct timespec ts = {0, rnd() % 3000000};
	pthread_t t;
	pid_t p;
	int fd[2], st;
	char c;
	switch (rnd() % 14) {
	case 0:
		if (depth > 2) break;
		p = fork();
		if (p == 0) {
			state += getpid();
			for (int i = 0; i < 6; i++) act(depth + 1);
			_exit(0);
		}
		if (rnd() % 2) waitpid(p, &st, 0);
		break;
	case 1:
		p = vfork();
		if (p == 0) _exit(1);
		break;
	case 2:
		if (depth < 3 && pthread_create(&t, NULL, thread, (void *)(long)(depth + 1)) == 0) pthread_detach(t);
		break;
	case 3:
		raise(SIGUSR1);
		break;
	case 4:
		kill(getpid(), rnd() % 2 ? SIGUSR2 : SIGCHLD);
		break;
	case 5:
		raise(SIGSTOP);
		break;
	case 6:
		kill(getppid(), SIGCONT);
		break;
	case 7:
		if (rnd() % 4 == 0) execv("/proc/self/exe", argv);
		break;
	case 8:
		if (pipe(fd) == 0) {
			alarm(1);
			if (rnd() % 2 && write(fd[1], "", 1) != 1) break;
			close(fd[1]);
			if (read(fd[0], &c, 1) < 0) break;
			close(fd[0]);
		}
		break;
	case 9:
		if (rnd() % 8 == 0) *(volatile int *)8 = 1;
		break;
	case 10:
		__asm__ volatile("ebreak");
		break;
	case 11:
		if (rnd() % 16 == 0) _exit(3);
		sched_yield();
		break;
	default:
		nanosleep(&ts, NULL);
	}
}

static void *thread(void *arg)
{
	for (int i = 0; i < 6; i++) act((long)arg);
	return NULL;
}

static void tracee(void)
{
	struct rlimit nproc = {60, 60}, cpu = {2, 3};
	setrlimit(RLIMIT_NPROC, &nproc);
	setrlimit(RLIMIT_CPU, &cpu);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	signal(SIGALRM, on_signal);
	signal(SIGTRAP, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (rnd() % 2) ptrace(PTRACE_TRACEME, 0, 0, 0);
	for (int i = 0; i < 30; i++) act(0);
	_exit(0);
}

#define KNOWN 24
static pid_t known[KNOWN];
static int count;
static char buf[4096];

static void learn(pid_t p)
{
	for (int i = 0; i < count; i++) if (known[i] == p) return;
	known[count < KNOWN ? count++ : (int)(rnd() % KNOWN)] = p;
}

/* What one does to a thread that is stopped. */
static void request(pid_t p)
{
	static const int often[] = {PTRACE_CONT, PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SYSCALL, PTRACE_SINGLESTEP,
				    PTRACE_DETACH, PTRACE_SETOPTIONS, PTRACE_SETOPTIONS, 0x4207, 0x4208,
				    PTRACE_GETSIGINFO, PTRACE_SETSIGINFO, PTRACE_PEEKDATA, PTRACE_POKEDATA,
				    PTRACE_GETREGSET, PTRACE_SETREGSET, 0x420a, 0x420e};
	static const int signals[] = {0, 0, SIGUSR1, SIGSTOP, SIGCONT, SIGCHLD, SIGTRAP, SIGKILL};
	struct iovec iov = {buf, rnd() % 300};
	int r = often[rnd() % (sizeof often / sizeof *often)];
	unsigned long sp = 0, data = signals[rnd() % (rnd() % 8 ? 7 : 8)];
	switch (r) {
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		if (rnd() % 8 == 0) for (int k = 0; k < 264; k++) buf[k] = rnd();
		ptrace(r, p, 1 + rnd() % 2, &iov);
		break;
	case PTRACE_SETOPTIONS:
		ptrace(r, p, 0, rnd() & 0x1000ff);
		break;
	case PTRACE_PEEKDATA:
	case PTRACE_POKEDATA:
		sp = rnd() % 2 ? (unsigned long)buf : (unsigned long)request + rnd() % 64;
		ptrace(r, p, sp, data);
		break;
	case PTRACE_GETSIGINFO:
	case PTRACE_SETSIGINFO:
	case 0x420a:
	case 0x420e:
		ptrace(r, p, r == 0x420a ? 8ul : 88ul, buf);
		break;
	default:
		ptrace(r, p, 0, data);
	}
}

static void tracer(long requests)
{
	for (int i = 0; i < 4; i++) {
		pid_t p = fork();
		if (p == 0) {
			state += getpid();
			tracee();
		}
		learn(p);
	}
	for (long i = 0; i < requests; i++) {
		static const int sigs[] = {SIGSTOP, SIGCONT, SIGUSR1, SIGCONT, SIGTSTP, SIGUSR2, SIGKILL};
		pid_t p = known[rnd() % count], q;
		unsigned long message;
		int st;
		/* What looked like an id may be the status of an exit. */
		if (p <= 1 || p == getppid() || p == getpid()) continue;
		switch (rnd() % 8) {
		case 0:
			ptrace(rnd() % 2 ? PTRACE_ATTACH : PTRACE_SEIZE, p, 0, rnd() % 2 ? 0 : rnd() & 0xff);
			break;
		case 1:
			kill(p, sigs[rnd() % (rnd() % 4 ? 6 : 7)]);
			break;
		case 2:
			syscall(SYS_ptrace, rnd() % 2 ? rnd() % 40 : 0x4200 + rnd() % 20, p,
				rnd() % 2 ? (unsigned long)buf : rnd() % 9, rnd() % 2 ? (unsigned long)buf : rnd() % 70);
			break;
		case 3:
			usleep(rnd() % 500);
			break;
		case 4:
			request(p);
			break;
		default:
			q = waitpid(-1, &st, __WALL | WNOHANG | (rnd() % 2 ? WUNTRACED | WCONTINUED : 0));
			if (q <= 0) break;
			learn(q);
			if (ptrace(PTRACE_GETEVENTMSG, q, 0, &message) == 0 && message > 1 && message < 32768)
				learn(message);
			for (int k = rnd() % 4; k >= 0; k--) request(q);
		}
	}
	/* Some leave their tracees to themselves, some take them along. */
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned long seed = argc > 1 ? strtoul(argv[1], 0, 0) : 1;
	long rounds = argc > 2 ? atol(argv[2]) : 10, requests = argc > 3 ? atol(argv[3]) : 300;
	int st;
	if (rounds < 0) return 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (long i = 0; i < rounds; i++, seed++) {
		pid_t p = fork();
		if (p == 0) {
			state = seed * 2654435761UL + 88172645463325252UL;
			setpgid(0, 0);
			tracer(requests);
		}
		if (p < 0) return 1;
		for (int tries = 0; waitpid(p, &st, WNOHANG) == 0; tries++) {
			usleep(1000);
			if (tries == 3000) kill(p, SIGKILL);
		}
		kill(-p, SIGKILL);
		for (;;) {
			kill(-p, SIGKILL);
			pid_t q = waitpid(-1, &st, __WALL);
			if (q < 0) break;
		}
	}
	printf("alive\n");
	return 0;
}
