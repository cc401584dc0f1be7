/* Restartable sequences: the area, who inherits it, and what begins a sequence again. */
#include "t.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN 28
#endif

struct area {
	uint32_t cpu_id_start, cpu_id;
	uint64_t cs;
	uint32_t flags, node_id, mm_cid, end;
} __attribute__((aligned(32)));

struct sequence {
	uint32_t version, flags;
	uint64_t start_ip, post_commit_offset, abort_ip;
} __attribute__((aligned(32)));

#define SIG 0xf1401073

static struct area area, other;
static struct sequence sequence;

/* Counts in *count within the sequence at `s` until *stop: 0 then, 1 if it was begun again. */
long spin(struct area *a, struct sequence *s, volatile long *count, volatile long *stop);
extern char spin_start[], spin_end[], spin_abort[];

#if defined(__riscv)
__asm__(".text\n.globl spin\nspin:\n"
	"	sd a1, 8(a0)\n"
	"spin_start:\n"
	"1:	ld a4, 0(a2)\n"
	"	addi a4, a4, 1\n"
	"	sd a4, 0(a2)\n"
	"	ld a4, 0(a3)\n"
	"	beqz a4, 1b\n"
	"spin_end:\n"
	"	sd zero, 8(a0)\n"
	"	li a0, 0\n"
	"	ret\n"
	"	.balign 4\n"
	"	.word 0xf1401073\n"
	"spin_abort:\n"
	"	li a0, 1\n"
	"	ret\n");
#elif defined(__x86_64__)
__asm__(".text\n.globl spin\nspin:\n"
	"	movq %rsi, 8(%rdi)\n"
	"spin_start:\n"
	"1:	incq (%rdx)\n"
	"	cmpq $0, (%rcx)\n"
	"	je 1b\n"
	"spin_end:\n"
	"	movq $0, 8(%rdi)\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	"	.balign 4\n"
	"	.long 0xf1401073\n"
	"spin_abort:\n"
	"	movl $1, %eax\n"
	"	ret\n");
#else
#error "which machine?"
#endif

static long rseq(struct area *a, unsigned length, int flags, unsigned sig)
{
	return syscall(SYS_rseq, a, length, flags, sig);
}

static struct sequence whole(void)
{
	struct sequence s = {.start_ip = (uintptr_t)spin_start, .post_commit_offset = spin_end - spin_start,
			     .abort_ip = (uintptr_t)spin_abort};
	return s;
}

static volatile long handled, count, never;
static void on_signal(int sig) { handled = sig; }

static void alarm_soon(long us)
{
	/* Again and again, should the first come too early. */
	struct itimerval t = {{0, us}, {0, us}};
	setitimer(ITIMER_REAL, &t, NULL);
}

static void *thread(void *arg)
{
	(void)arg;
	if (rseq(&area, 32, 0, SIG) == 0) {
		rseq(&area, 32, 1, SIG);
		return (void *)1;
	}
	return NULL;
}

static void *other_thread(void *arg)
{
	(void)arg;
	static struct area mine;
	return (void *)rseq(&mine, 32, 0, SIG);
}

static void registration(void)
{
	CHECK("the kernel says how much means something", getauxval(AT_RSEQ_FEATURE_SIZE) >= 20);
	CHECK("and how it is aligned", getauxval(AT_RSEQ_ALIGN) >= 32);
	CHECK_ERRNO("nothing to take back", rseq(&area, 32, 1, SIG), EINVAL);
	CHECK_ERRNO("too short", rseq(&area, 16, 0, SIG), EINVAL);
	CHECK_ERRNO("not aligned", rseq((void *)((char *)&area + 8), 32, 0, SIG), EINVAL);
	CHECK_ERRNO("unknown flags", rseq(&area, 32, 1 << 10, SIG), EINVAL);
	CHECK_ERRNO("unknown flags to take it back", rseq(&area, 32, 1 | 1 << 10, SIG), EINVAL);
	CHECK_ERRNO("where nothing can be", rseq((void *)(~0ul & ~63ul), 32, 0, SIG), EFAULT);
	area.cpu_id = -1;
	CHECK("registered", rseq(&area, 32, 0, SIG) == 0);
	CHECK("the number of the CPU", area.cpu_id < 1024 && area.cpu_id_start < 1024);
	cpu_set_t set;
	CHECK("it is one that I may use", sched_getaffinity(0, sizeof set, &set) == 0 && CPU_ISSET(area.cpu_id, &set));
	CHECK("the first thread is number 0 of its process", area.mm_cid < 1024);
	CHECK_ERRNO("twice", rseq(&area, 32, 0, SIG), EBUSY);
	CHECK_ERRNO("elsewhere", rseq(&other, 32, 0, SIG), EINVAL);
	CHECK_ERRNO("longer", rseq(&area, 64, 0, SIG), EINVAL);
	CHECK_ERRNO("with another signature", rseq(&area, 32, 0, SIG + 1), EPERM);
	CHECK_ERRNO("taken back with another", rseq(&area, 32, 1, SIG + 1), EPERM);
	CHECK_ERRNO("taken back elsewhere", rseq(&other, 32, 1, SIG), EINVAL);
	CHECK("a child has it, too", STATUS_OF(_exit(rseq(&area, 32, 0, SIG) == -1 && errno == EBUSY ? 0 : 1)) == 0);
	CHECK("a child of vfork has not", ({ pid_t p = vfork(); if (p == 0) _exit(rseq(&area, 32, 1, SIG) == -1 && errno == EINVAL ? 0 : 1);
		int status; waitpid(p, &status, 0); status; }) == 0);
	pthread_t t;
	void *r;
	pthread_create(&t, NULL, other_thread, NULL);
	pthread_join(t, &r);
	CHECK("a thread has its own", r == NULL);
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, &r);
	CHECK("or even this one", r == (void *)1);
	CHECK("taken back", rseq(&area, 32, 1, SIG) == 0);
	CHECK("no number any more", area.cpu_id == (uint32_t)-1 && area.cpu_id_start == 0);
	CHECK_ERRNO("once", rseq(&area, 32, 1, SIG), EINVAL);
	CHECK("registered again", rseq(&area, 32, 0, SIG) == 0 && area.cpu_id < 1024);
	CHECK("an area that goes is missed",
	      WTERMSIG(STATUS_OF(rseq(&area, 32, 1, SIG); char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
				 rseq((void *)p, 32, 0, SIG); munmap(p, 4096); for (int i = 0; i < 100; i++) usleep(1000))) == SIGSEGV);
}

static void aborts(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	sigaction(SIGALRM, &sa, NULL);
	sequence = whole();
	alarm_soon(10000);
	CHECK("a signal begins it again", spin(&area, &sequence, &count, &never) == 1);
	CHECK("after some time", count > 0 && area.cs == 0);
	if (!handled) pause();
	alarm_soon(0);
	CHECK("the handler has run", handled == SIGALRM);

	volatile long stop = 1;
	CHECK("one that ends is left in peace", spin(&area, &sequence, &count, &stop) == 0);
	area.cs = (uintptr_t)&sequence;
	raise(SIGALRM);
	CHECK("one that is over is forgotten", area.cs == 0);

	/* Two on one CPU: one of them must wait some time, and begin again. */
	cpu_set_t old, set;
	sched_getaffinity(0, sizeof old, &old);
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof set, &set);
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) for (;;) {}
	CHECK("who is preempted begins again", spin(&area, &sequence, &count, &never) == 1);
	CHECK("and again", spin(&area, &sequence, &count, &never) == 1);
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
	sched_setaffinity(0, sizeof old, &old);
	CHECK("the numbers are right", area.cpu_id == area.cpu_id_start && area.cpu_id < 1024);
}

static int dies(void)
{
	return WTERMSIG(STATUS_OF(alarm_soon(10000); spin(&area, &sequence, &count, &never)));
}

static void unsound(void)
{
	sequence = whole();
	sequence.version = 1;
	CHECK("an unknown version", dies() == SIGSEGV);
	sequence = whole();
	sequence.abort_ip += 4;
	CHECK("no signature", dies() == SIGSEGV);
	sequence = whole();
	sequence.abort_ip = sequence.start_ip + 4;
	CHECK("begun again in itself", dies() == SIGSEGV);
	sequence = whole();
	sequence.start_ip = ~0ul - 64;
	CHECK("where no code is", dies() == SIGSEGV);
	sequence = whole();
	sequence.post_commit_offset = ~0ul;
	CHECK("endless", dies() == SIGSEGV);
	CHECK("nowhere", WTERMSIG(STATUS_OF(area.cs = 8; raise(SIGALRM))) == SIGSEGV);
	CHECK("where nothing can be", WTERMSIG(STATUS_OF(area.cs = ~0ul - 63; raise(SIGALRM))) == SIGSEGV);
}

int main(int argc, char **argv)
{
	(void)argc;
	/* The C library registers areas of its own, unless it is told not to. */
	if (getenv("GLIBC_TUNABLES") == NULL) {
		setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
		execv(argv[0], argv);
	}
	registration();
	aborts();
	unsound();
	return t_end();
}
