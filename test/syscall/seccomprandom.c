/* Random filters, the same on every machine: what they answer must be what the host's Linux answers. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "t.h"

#define PROGRAMS 150
#define CALLS 6
#define BODY 40
#define WORDS 4

static uint64_t state = 20261121;

static uint32_t rnd(uint32_t below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33) % below;
}

/* Values about which arithmetic may err. */
static uint32_t value(void)
{
	static const uint32_t edges[] = {0, 1, 2, 31, 32, 33, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0xffff, 0x10000};
	return rnd(2) ? edges[rnd(sizeof edges / sizeof *edges)] : rnd(2) ? rnd(64) : rnd(0x7fffffff) * 2u + rnd(2);
}

static struct sock_filter random_one(int left)
{
	static const unsigned short alu[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND, BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH};
	static const unsigned short jump[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
	unsigned short operand = rnd(2) ? BPF_X : BPF_K;
	switch (rnd(10)) {
	case 0: case 1: case 2: {
		unsigned short op = alu[rnd(9)];
		uint32_t k = value();
		if (op == BPF_LSH || op == BPF_RSH) k &= 31;
		if (op == BPF_DIV && k == 0) k = 3;
		return (struct sock_filter)BPF_STMT(BPF_ALU | op | operand, operand == BPF_K ? k : 0);
	}
	case 3: return (struct sock_filter)BPF_STMT(BPF_ALU | BPF_NEG, 0);
	case 4: return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 4 * rnd(12));
	case 5: return (struct sock_filter)BPF_STMT(rnd(2) ? BPF_ST : BPF_STX, rnd(WORDS));
	case 6: return (struct sock_filter)BPF_STMT((rnd(2) ? BPF_LD : BPF_LDX) | BPF_MEM, rnd(WORDS));
	case 7: return (struct sock_filter)BPF_STMT(BPF_MISC | (rnd(2) ? BPF_TAX : BPF_TXA), 0);
	case 8: return (struct sock_filter)BPF_STMT((rnd(2) ? BPF_LD : BPF_LDX) | (rnd(4) ? BPF_IMM : BPF_W | BPF_LEN), value());
	default:
		if (rnd(8) == 0) return (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, rnd(left));
		return (struct sock_filter)BPF_JUMP(BPF_JMP | jump[rnd(4)] | operand, value(), rnd(left), rnd(left));
	}
}

int main(void)
{
	unsigned action = SECCOMP_RET_ERRNO;
	if (prctl(PR_GET_SECCOMP) != 0 || syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) return T_NOT_HERE;
	for (int i = 0; i < PROGRAMS; i++) {
		struct sock_filter f[BODY + WORDS + 8];
		uint64_t args[CALLS][6];
		int n = 0;
		for (int c = 0; c < CALLS; c++)
			for (int a = 0; a < 6; a++) args[c][a] = (uint64_t)value() << 32 | value();
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup3, 1, 0);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args));
		for (int w = 0; w < WORDS; w++) f[n++] = (struct sock_filter)BPF_STMT(w & 1 ? BPF_STX : BPF_ST, w);
		for (int b = 0; b < BODY; b++) f[n++] = random_one(BODY - b);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x7ff);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
		printf("%d:", i);
		int status = STATUS_OF({
			struct sock_fprog prog = {n, f};
			CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
			CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0);
			for (int c = 0; c < CALLS; c++) {
				uint64_t *a = args[c];
				errno = 0;
				syscall(SYS_dup3, a[0], a[1], a[2], a[3], a[4], a[5]);
				printf(" %d", errno);
				fflush(stdout);
			}
		});
		printf(" %d\n", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
	}
	return 0;
}
