/* Pid name spaces: who has which number where, what an init is, and how it all ends. */
#include "pidns.h"

static void numbers(void)
{
	int pid = cloned(CLONE_NEWPID);
	if (pid == 0) {
		say(getpid());
		say(getppid());
		say(syscall(SYS_gettid));
		say(getpgid(0));
		say(getsid(0));
		int child = fork();
		if (child == 0) {
			say(getpid());
			say(getppid());
			_exit(7);
		}
		int status;
		say(waitpid(-1, &status, 0));
		say(WEXITSTATUS(status));
		say(kill(getpid() + 100, 0) == -1 && errno == ESRCH);
		await();
		_exit(3);
	}
	CHECK("the first is 1", hear() == 1);
	CHECK("its parent has no number there", hear() == 0);
	CHECK("nor is its thread another", hear() == 1);
	CHECK("its group and session are not there", hear2(0, 0));
	CHECK("the next is 2, its parent 1", hear2(2, 1));
	CHECK("waited for by that number", hear2(2, 7));
	CHECK("nobody else there", hear() == 1);
	char who[16], want[64];
	snprintf(who, sizeof who, "%d", pid);
	snprintf(want, sizeof want, "\t%d\t1", pid);
	CHECK("NSpid has both", strcmp(line(who, "NSpid:"), want) == 0);
	CHECK("NSpgid only what it has", strchr(line(who, "NSpgid:") + 1, '\t') != NULL);
	go();
	CHECK("it is a child like any other", WEXITSTATUS(reap(pid)) == 3);
}

static void forChildren(void)
{
	char a[64] = "", b[64] = "";
	int self = getpid();
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		t_must(unshare(CLONE_NEWPID) == 0, "unshare", __LINE__);
		say(getpid() != 1);
		say(readlink("/proc/self/ns/pid", a, sizeof a) > 0);
		say(readlink("/proc/self/ns/pid_for_children", b, sizeof b) == -1 && errno == ENOENT);
		say(unshare(CLONE_NEWPID) == -1 && errno == EINVAL);
		int first = fork();
		if (first == 0) {
			say(getpid());
			for (;;) pause();
		}
		await();
		say(readlink("/proc/self/ns/pid_for_children", b, sizeof b) > 0 && strcmp(a, b) != 0);
		int second = fork();
		if (second == 0) {
			say(getpid());
			_exit(0);
		}
		reap(second);
		struct clone_args t = { .flags = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND };
		say(syscall(SYS_clone3, &t, sizeof t) == -1 && errno == EINVAL);
		kill(first, SIGKILL);
		reap(first);
		say(fork() == -1 && errno == ENOMEM);
		_exit(0);
	}
	CHECK("unshare is for children", hear2(1, 1));
	CHECK("of whom there is none yet", hear() == 1);
	CHECK("once only", hear() == 1);
	CHECK("the first child is init", hear() == 1);
	go();
	CHECK("and the link leads there", hear() == 1);
	CHECK("the second is the second", hear() == 2);
	CHECK("no threads of both", hear() == 1);
	CHECK("nothing after its init", hear() == 1);
	CHECK("the end", reap(pid) == 0 && getpid() == self);
}

static volatile int got;

static void note(int sig)
{
	got = sig;
}

static void signals(void)
{
	int pid = cloned(CLONE_NEWPID);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, 0);
		say(kill(1, SIGKILL));
		say(kill(1, SIGTERM));
		int child = fork();
		if (child == 0) {
			kill(1, SIGKILL);
			kill(1, SIGSTOP);
			kill(1, SIGTERM);
			_exit(0);
		}
		reap(child);
		say(1);
		signal(SIGUSR1, note);
		child = fork();
		if (child == 0) {
			kill(1, SIGUSR1);
			_exit(0);
		}
		reap(child);
		say(got == SIGUSR1);
		say(kill(-1, SIGTERM) == -1 && errno == ESRCH);
		await();
		siginfo_t si;
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		sigprocmask(SIG_BLOCK, &set, NULL);
		say(0);
		sigwaitinfo(&set, &si);
		say(si.si_pid);
		for (;;) pause();
	}
	CHECK("an init survives itself", hear2(0, 0));
	CHECK("and its children", hear() == 1);
	CHECK("what it handles reaches it", hear() == 1);
	CHECK("it and who signals are not everybody", hear() == 1);
	go();
	hear();
	kill(pid, SIGUSR2);
	CHECK("a sender from outside has no number", hear() == 0);
	int status;
	kill(pid, SIGTERM);
	kill(pid, SIGSTOP);
	CHECK("SIGSTOP from outside stops it", waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	kill(pid, SIGCONT);
	CHECK("SIGTERM from outside does nothing", waitpid(pid, &status, WNOHANG) == 0);
	kill(pid, SIGKILL);
	CHECK("SIGKILL ends it", reap(pid) == SIGKILL);
}

static void endOfAll(void)
{
	int pid = cloned(CLONE_NEWPID);
	if (pid == 0) {
		for (int i = 0; i < 5; i++) {
			int child = fork();
			if (child == 0) {
				signal(SIGTERM, SIG_IGN);
				int inner = cloned(CLONE_NEWPID);
				if (inner == 0) {
					close(up[0]);
					for (;;) pause();
				}
				for (;;) pause();
			}
		}
		say(1);
		await();
		_exit(5);
	}
	hear();
	go();
	CHECK("its init ends", WEXITSTATUS(reap(pid)) == 5);
	close(up[1]);
	int n;
	CHECK("and with it all in there", read(up[0], &n, sizeof n) == 0);
	close(up[0]);
	t_must(pipe(up) == 0, "pipe", __LINE__);
}

static void orphans(void)
{
	int pid = cloned(CLONE_NEWPID);
	if (pid == 0) {
		int child = fork();
		if (child == 0) {
			int grandchild = fork();
			if (grandchild == 0) {
				while (getppid() != 1) usleep(1000);
				say(getppid());
				_exit(9);
			}
			_exit(0);
		}
		reap(child);
		int status, orphan = wait(&status);
		say(orphan);
		say(WEXITSTATUS(status));
		_exit(0);
	}
	CHECK("orphans go to init", hear() == 1 && hear2(3, 9));
	reap(pid);
}

int main(void)
{
	ownUsers();
	t_must(pipe(up) == 0 && pipe(down) == 0, "pipe", __LINE__);
	numbers();
	forChildren();
	signals();
	endOfAll();
	orphans();
	return t_end();
}
