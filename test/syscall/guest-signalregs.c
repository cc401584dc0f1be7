/*
 * All f registers and fcsr through a signal on riscv64: the frame shows them as they were, the handler's own are forgotten, and what it
 * writes into the frame is what comes back (sigreturn(2), arch/riscv/kernel/signal.c).
 */
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include "t.h"

#define ALL "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"
#define FCSR 0x65 /* rounding up, inexact and overflow */
enum { CHANGED = 7 };

static uint64_t before[33], shown[33], after[33];

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info;
	struct __riscv_mc_d_ext_state *d = &((ucontext_t *)context)->uc_mcontext.__fpregs.__d;
	for (int i = 0; i < 32; i++)
		shown[i] = d->__f[i];
	shown[32] = d->__fcsr;
	d->__f[CHANGED] = 0x7777;
	__asm__ volatile(".irp r," ALL "\n fmv.d.x f\\r, zero\n .endr\n fscsr zero" ::: "memory");
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	CHECK("a handler", sigaction(SIGUSR1, &sa, NULL) == 0);
	for (int i = 0; i < 32; i++)
		before[i] = 0x0123456789abcdefUL * (2 * i + 1);
	before[32] = FCSR;
	register uint64_t *from __asm__("s2") = before;
	register uint64_t *to __asm__("s3") = after;
	register long pid __asm__("s4") = getpid();
	__asm__ volatile(
		".irp r," ALL "\n fld f\\r, 8*\\r(s2)\n .endr\n"
		"ld t0, 256(s2)\n fscsr t0\n"
		"mv a0, s4\n li a1, %3\n li a7, %4\n ecall\n"
		"frcsr t0\n sd t0, 256(s3)\n"
		".irp r," ALL "\n fsd f\\r, 8*\\r(s3)\n .endr\n"
		"fscsr zero\n"
		:: "r"(from), "r"(to), "r"(pid), "i"(SIGUSR1), "i"(SYS_kill)
		: "a0", "a1", "a7", "t0", "memory", "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6",
		  "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7", "fs2",
		  "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10",
		  "ft11");
	int good = 1;
	for (int i = 0; i <= 32; i++) {
		good &= shown[i] == before[i];
		good &= after[i] == (i == CHANGED ? 0x7777 : before[i]);
	}
	CHECK("f registers and fcsr come through a handler, as it left them in the frame", good);
	return t_end();
}
