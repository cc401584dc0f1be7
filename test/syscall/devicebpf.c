/*
 * bpf(2) programs that decide about a control group's devices: what the verifier
 * refuses, what instructions compute, how programs of groups come together.
 */
#include "cg.h"
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

static char log_buf[65536];

static long bpf(int cmd, union bpf_attr *attr, unsigned size)
{
	return syscall(SYS_bpf, cmd, attr, size);
}

#define INSN(c, d, s, o, i) ((struct bpf_insn){.code = c, .dst_reg = d, .src_reg = s, .off = o, .imm = i})
#define MOV(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOVR(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ALU(op, d, i) INSN(BPF_ALU64 | op | BPF_K, d, 0, 0, i)
#define ALUR(op, d, s) INSN(BPF_ALU64 | op | BPF_X, d, s, 0, 0)
#define ALU32(op, d, i) INSN(BPF_ALU | op | BPF_K, d, 0, 0, i)
#define ALU32R(op, d, s) INSN(BPF_ALU | op | BPF_X, d, s, 0, 0)
#define LDX(size, d, o) INSN(BPF_LDX | size | BPF_MEM, d, 1, o, 0)
#define JMP(op, d, i, o) INSN(BPF_JMP | op | BPF_K, d, 0, o, i)
#define JMPR(op, d, s, o) INSN(BPF_JMP | op | BPF_X, d, s, o, 0)
#define JMP32I(op, d, i, o) INSN(BPF_JMP32 | op | BPF_K, d, 0, o, i)
#define JA(o) INSN(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define LD64(d, v) INSN(BPF_LD | BPF_IMM | BPF_DW, d, 0, 0, (int)(v)), INSN(0, 0, 0, 0, (int)((unsigned long)(v) >> 32))
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int load_type(int type, struct bpf_insn *insns, int count, int flags)
{
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	a.prog_type = type;
	a.insns = (unsigned long)insns;
	a.insn_cnt = count;
	a.license = (unsigned long)"GPL";
	a.prog_flags = flags;
	strcpy(a.prog_name, "devices");
	return bpf(BPF_PROG_LOAD, &a, sizeof a);
}

#define LOAD(...) ({ struct bpf_insn i_[] = {__VA_ARGS__}; load_type(BPF_PROG_TYPE_CGROUP_DEVICE, i_, sizeof i_ / sizeof *i_, 0); })

static long attach(int group, int prog, int flags, int replace)
{
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	a.target_fd = group;
	a.attach_bpf_fd = prog;
	a.attach_type = BPF_CGROUP_DEVICE;
	a.attach_flags = flags;
	a.replace_bpf_fd = replace;
	return bpf(BPF_PROG_ATTACH, &a, sizeof a);
}

static long detach(int group, int prog)
{
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	a.target_fd = group;
	a.attach_bpf_fd = prog;
	a.attach_type = BPF_CGROUP_DEVICE;
	return bpf(BPF_PROG_DETACH, &a, sizeof a);
}

/* How many programs hold in a group (effective) or are attached to it; -1 on errors. */
static int count(int group, int effective, unsigned *flags)
{
	union bpf_attr a;
	unsigned ids[8];
	memset(&a, 0, sizeof a);
	a.query.target_fd = group;
	a.query.attach_type = BPF_CGROUP_DEVICE;
	a.query.query_flags = effective ? BPF_F_QUERY_EFFECTIVE : 0;
	a.query.prog_ids = (unsigned long)ids;
	a.query.prog_cnt = 8;
	if (bpf(BPF_PROG_QUERY, &a, sizeof a) != 0) return -1;
	if (flags) *flags = a.query.attach_flags;
	return a.query.prog_cnt;
}

static void verifier(void)
{
	int fd = LOAD(MOV(0, 1), EXIT);
	CHECK("a program that allows all", fd >= 0);
	close(fd);
	CHECK_ERRNO("nothing", load_type(BPF_PROG_TYPE_CGROUP_DEVICE, NULL, 0, 0), E2BIG);
	CHECK_ERRNO("instructions at nowhere", load_type(BPF_PROG_TYPE_CGROUP_DEVICE, (void *)8, 2, 0), EFAULT);
	CHECK_ERRNO("no type", load_type(1000, (struct bpf_insn[]){MOV(0, 1), EXIT}, 2, 0), EINVAL);
	CHECK_ERRNO("an odd flag", load_type(BPF_PROG_TYPE_CGROUP_DEVICE, (struct bpf_insn[]){MOV(0, 1), EXIT}, 2, 1 << 30), EINVAL);
	CHECK_ERRNO("no end", LOAD(MOV(0, 1)), EINVAL);
	CHECK_ERRNO("no answer", LOAD(EXIT), EACCES);
	CHECK_ERRNO("an answer on one way only", LOAD(LDX(BPF_W, 2, 0), JMP(BPF_JEQ, 2, 0, 1), MOV(0, 1), EXIT), EACCES);
	CHECK_ERRNO("an answer too large", LOAD(MOV(0, 2), EXIT), EINVAL);
	CHECK_ERRNO("an answer of any size", LOAD(LDX(BPF_W, 0, 4), EXIT), EINVAL);
	CHECK_ERRNO("a register that nobody wrote", LOAD(MOVR(0, 5), EXIT), EACCES);
	CHECK_ERRNO("a loop", LOAD(MOV(0, 1), JA(-1), EXIT), EINVAL);
	CHECK_ERRNO("a jump out", LOAD(MOV(0, 1), JA(5), EXIT), EINVAL);
	CHECK_ERRNO("what cannot be reached", LOAD(MOV(0, 1), EXIT, MOV(0, 0), EXIT), EINVAL);
	CHECK_ERRNO("behind the context", LOAD(LDX(BPF_W, 2, 12), MOV(0, 1), EXIT), EACCES);
	CHECK_ERRNO("across words of the context", LOAD(LDX(BPF_W, 2, 2), MOV(0, 1), EXIT), EACCES);
	CHECK_ERRNO("half of the major", LOAD(LDX(BPF_H, 2, 4), MOV(0, 1), EXIT), EACCES);
	CHECK_ERRNO("two words at once", LOAD(LDX(BPF_DW, 2, 0), MOV(0, 1), EXIT), EACCES);
	CHECK_ERRNO("writing to the context", LOAD(INSN(BPF_ST | BPF_W | BPF_MEM, 1, 0, 0, 0), MOV(0, 1), EXIT), EACCES);
	CHECK_ERRNO("reading through a number", LOAD(MOV(2, 0), INSN(BPF_LDX | BPF_W | BPF_MEM, 0, 2, 0, 0), EXIT), EACCES);
	CHECK_ERRNO("the frame pointer is not written", LOAD(MOV(10, 0), MOV(0, 1), EXIT), EACCES);
	CHECK_ERRNO("a division by zero", LOAD(MOV(0, 1), ALU(BPF_DIV, 0, 0), EXIT), EINVAL);
	CHECK_ERRNO("a shift by 64", LOAD(MOV(0, 1), ALU(BPF_LSH, 0, 64), EXIT), EINVAL);
	CHECK_ERRNO("a shift by 32 of 32 bits", LOAD(MOV(0, 1), ALU32(BPF_LSH, 0, 32), EXIT), EINVAL);
	CHECK_ERRNO("an unknown operation", LOAD(INSN(0xff, 0, 0, 0, 0), EXIT), EINVAL);
	CHECK_ERRNO("register 11", LOAD(INSN(BPF_ALU64 | BPF_MOV | BPF_K, 11, 0, 0, 0), EXIT), EINVAL);
	CHECK_ERRNO("half a 64-bit constant", LOAD(INSN(BPF_LD | BPF_IMM | BPF_DW, 0, 0, 0, 1)), EINVAL);
	CHECK_ERRNO("a jump into one", LOAD(LDX(BPF_W, 2, 0), JMP(BPF_JEQ, 2, 0, 1), LD64(0, 1L), EXIT), EINVAL);
	CHECK_ERRNO("no such function", LOAD(INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 99999), MOV(0, 1), EXIT), EINVAL);
	CHECK("parts of the first word", (fd = LOAD(LDX(BPF_B, 2, 0), LDX(BPF_H, 3, 2), MOV(0, 1), EXIT)) >= 0);
	close(fd);
	CHECK("0 or 1 by a mask", (fd = LOAD(LDX(BPF_W, 0, 4), ALU(BPF_AND, 0, 1), EXIT)) >= 0);
	close(fd);
	union bpf_attr a;
	struct bpf_insn bad[] = {EXIT};
	memset(&a, 0, sizeof a);
	a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	a.insns = (unsigned long)bad;
	a.insn_cnt = 1;
	a.license = (unsigned long)"GPL";
	a.log_level = 1;
	a.log_buf = (unsigned long)log_buf;
	a.log_size = sizeof log_buf;
	CHECK("the log says why", bpf(BPF_PROG_LOAD, &a, sizeof a) == -1 && errno == EACCES && strstr(log_buf, "R0 !read_ok"));
	a.log_size = 0;
	CHECK("a log without room", bpf(BPF_PROG_LOAD, &a, sizeof a) == -1 && errno == EINVAL);
}

static int may(const char *path, int flags)
{
	int fd = open(path, flags);
	if (fd >= 0) close(fd);
	return fd >= 0 ? 0 : errno;
}

/* What a program with this body answers: it may leave anything in r2 that is to be compared with r3. */
#define COMPUTES(what, group, ...) do { \
	int p_ = LOAD(__VA_ARGS__, MOV(0, 1), JMPR(BPF_JEQ, 2, 3, 1), MOV(0, 0), EXIT); \
	long r_ = p_ < 0 ? -1 : attach(group, p_, 0, 0); \
	CHECK(what, r_ == 0 && may("/dev/null", O_RDONLY) == 0); \
	close(p_); \
} while (0)

static void computing(int group)
{
	COMPUTES("a 64-bit constant", group, LD64(2, 0x123456789abcdef0), MOV(3, 0x12345678), ALU(BPF_LSH, 3, 32), LD64(4, 0x9abcdef0L), ALUR(BPF_OR, 3, 4));
	COMPUTES("signs extend", group, MOV(2, -1), LD64(3, -1L));
	COMPUTES("32 bits do not", group, ALU32(BPF_MOV, 2, -1), LD64(3, 0xffffffffL));
	COMPUTES("add and subtract", group, MOV(2, -5), ALU(BPF_ADD, 2, 7), ALU(BPF_SUB, 2, 3), MOV(3, -1));
	COMPUTES("32-bit add wraps", group, ALU32(BPF_MOV, 2, -1), ALU32(BPF_ADD, 2, 2), MOV(3, 1));
	COMPUTES("multiply", group, LD64(2, 0x100000001L), LD64(4, 0x300000000L), ALUR(BPF_MUL, 2, 4), LD64(3, 0x300000000L));
	COMPUTES("division has no signs", group, MOV(2, -8), ALU(BPF_DIV, 2, 2), LD64(3, 0x7ffffffffffffffcL));
	COMPUTES("division by nothing is 0", group, MOV(2, 9), MOV(4, 0), ALUR(BPF_DIV, 2, 4), MOV(3, 0));
	COMPUTES("rest by nothing is all", group, MOV(2, 9), MOV(4, 0), ALUR(BPF_MOD, 2, 4), MOV(3, 9));
	COMPUTES("32-bit rest by nothing", group, LD64(2, 0x700000009L), MOV(4, 0), ALU32R(BPF_MOD, 2, 4), MOV(3, 9));
	COMPUTES("rest", group, MOV(2, 29), ALU(BPF_MOD, 2, 10), MOV(3, 9));
	COMPUTES("shifts", group, MOV(2, -16), ALU(BPF_RSH, 2, 60), MOV(3, 15));
	COMPUTES("shifts with a sign", group, MOV(2, -16), ALU(BPF_ARSH, 2, 2), MOV(3, -4));
	COMPUTES("32-bit shifts with a sign", group, MOV(2, -16), ALU32(BPF_ARSH, 2, 2), LD64(3, 0xfffffffcL));
	COMPUTES("negation", group, MOV(2, 5), INSN(BPF_ALU64 | BPF_NEG, 2, 0, 0, 0), MOV(3, -5));
	COMPUTES("and, xor", group, MOV(2, 0xff), ALU(BPF_AND, 2, 0x3c), ALU(BPF_XOR, 2, 0x0c), MOV(3, 0x30));
	COMPUTES("big-endian", group, LD64(2, 0x0102030405060708L), INSN(BPF_ALU | BPF_END | BPF_TO_BE, 2, 0, 0, 32), MOV(3, 0x08070605));
	COMPUTES("little-endian", group, LD64(2, 0x0102030405060708L), INSN(BPF_ALU | BPF_END | BPF_TO_LE, 2, 0, 0, 16), MOV(3, 0x0708));
	COMPUTES("jumps with and without a sign", group, MOV(2, -1), MOV(3, -1), JMP(BPF_JGT, 2, 5, 1), MOV(2, 0), JMP(BPF_JSLT, 2, 5, 1), MOV(2, 0));
	COMPUTES("a jump by 32 bits", group, LD64(2, 0x500000007L), JMP32I(BPF_JEQ, 2, 7, 1), MOV(2, 0), LD64(3, 0x500000007L));
	COMPUTES("a jump by bits", group, MOV(2, 6), MOV(3, 6), JMP(BPF_JSET, 2, 4, 1), MOV(2, 0), JMP(BPF_JSET, 2, 1, 1), JA(1), MOV(2, 0));
	COMPUTES("the context: reading a character device", group, LDX(BPF_W, 2, 0), LD64(3, (long)(BPF_DEVCG_ACC_READ << 16 | BPF_DEVCG_DEV_CHAR)));
	COMPUTES("and its number", group, LDX(BPF_W, 2, 4), ALU(BPF_LSH, 2, 8), LDX(BPF_W, 3, 8), ALUR(BPF_OR, 2, 3), MOV(3, 0x103));
	detach(group, -1);
}

static void deciding(int top, int group)
{
	int all = LOAD(MOV(0, 1), EXIT), none = LOAD(MOV(0, 0), EXIT);
	/* Reading of 1:* (memory devices) only. */
	int some = LOAD(LDX(BPF_W, 2, 0), ALU(BPF_RSH, 2, 16), LDX(BPF_W, 4, 4), MOV(0, 0), JMP(BPF_JNE, 2, BPF_DEVCG_ACC_READ, 2), JMP(BPF_JNE, 4, 1, 1), MOV(0, 1), EXIT);
	unsigned flags;
	CHECK("programs", all >= 0 && none >= 0 && some >= 0);
	CHECK("nothing is attached", count(group, 0, &flags) == 0 && flags == 0 && count(group, 1, NULL) == 0);
	CHECK_ERRNO("nothing to detach", detach(group, -1), ENOENT);
	CHECK_ERRNO("no group", attach(all, all, 0, 0), EBADF);
	CHECK_ERRNO("no program", attach(group, group, 0, 0), EINVAL);
	CHECK_ERRNO("two ways at once", attach(group, all, BPF_F_ALLOW_OVERRIDE | BPF_F_ALLOW_MULTI, 0), EINVAL);
	CHECK("attach", attach(group, some, 0, 0) == 0 && count(group, 0, &flags) == 1 && flags == 0);
	CHECK("what it allows", may("/dev/null", O_RDONLY) == 0 && may("/dev/zero", O_RDONLY) == 0);
	CHECK("what it does not", may("/dev/null", O_WRONLY) == EPERM && may("/dev/null", O_RDWR) == EPERM && may("/dev/tty", O_RDONLY) == EPERM);
	CHECK("only devices", may("/proc/self/stat", O_RDONLY) == 0);
	CHECK_ERRNO("making one", mknod("bpf-null", S_IFCHR | 0600, makedev(1, 3)), EPERM);
	CHECK("a FIFO is none", mknod("bpf-fifo", S_IFIFO | 0600, 0) == 0 && unlink("bpf-fifo") == 0);
	CHECK("the next takes its place", attach(group, none, 0, 0) == 0 && count(group, 0, NULL) == 1 && may("/dev/null", O_RDONLY) == EPERM);
	CHECK_ERRNO("another way is refused", attach(group, all, BPF_F_ALLOW_MULTI, 0), EPERM);
	CHECK("detach", detach(group, -1) == 0 && count(group, 0, NULL) == 0 && may("/dev/null", O_RDWR) == 0);

	CHECK("beside others", attach(group, all, BPF_F_ALLOW_MULTI, 0) == 0 && attach(group, some, BPF_F_ALLOW_MULTI, 0) == 0);
	CHECK("all of them must allow", count(group, 0, &flags) == 2 && flags == BPF_F_ALLOW_MULTI && may("/dev/null", O_RDONLY) == 0 && may("/dev/null", O_RDWR) == EPERM);
	CHECK_ERRNO("not twice", attach(group, all, BPF_F_ALLOW_MULTI, 0), EINVAL);
	CHECK("replace", attach(group, none, BPF_F_ALLOW_MULTI | BPF_F_REPLACE, all) == 0 && count(group, 0, NULL) == 2 && may("/dev/null", O_RDONLY) == EPERM);
	CHECK_ERRNO("replace what is not there", attach(group, all, BPF_F_ALLOW_MULTI | BPF_F_REPLACE, all), ENOENT);
	CHECK_ERRNO("detach what is not there", detach(group, all), ENOENT);
	CHECK("detach one", detach(group, none) == 0 && count(group, 0, NULL) == 1 && may("/dev/null", O_RDONLY) == 0);
	CHECK("and the other", detach(group, some) == 0);

	CHECK("above, alone", attach(top, some, 0, 0) == 0);
	CHECK("holds below", count(group, 0, NULL) == 0 && count(group, 1, NULL) == 1 && may("/dev/null", O_RDWR) == EPERM);
	CHECK_ERRNO("nobody may attach below", attach(group, all, 0, 0), EPERM);
	CHECK("detach above", detach(top, -1) == 0 && may("/dev/null", O_RDWR) == 0);
	CHECK("above, giving way", attach(top, none, BPF_F_ALLOW_OVERRIDE, 0) == 0 && may("/dev/null", O_RDONLY) == EPERM);
	CHECK("what is below counts alone", attach(group, all, BPF_F_ALLOW_OVERRIDE, 0) == 0 && count(group, 1, NULL) == 1 && may("/dev/null", O_RDWR) == 0);
	detach(group, -1);
	detach(top, -1);
	CHECK("above, beside others", attach(top, all, BPF_F_ALLOW_MULTI, 0) == 0 && attach(group, some, 0, 0) == 0);
	CHECK("both count", count(group, 1, NULL) == 2 && count(top, 1, NULL) == 1 && may("/dev/null", O_RDWR) == EPERM);

	struct bpf_prog_info info;
	struct bpf_insn back[8];
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	memset(&info, 0, sizeof info);
	info.xlated_prog_insns = (unsigned long)back;
	info.xlated_prog_len = sizeof back;
	a.info.bpf_fd = all;
	a.info.info = (unsigned long)&info;
	a.info.info_len = sizeof info;
	CHECK("facts", bpf(BPF_OBJ_GET_INFO_BY_FD, &a, sizeof a) == 0 && info.type == BPF_PROG_TYPE_CGROUP_DEVICE && strcmp(info.name, "devices") == 0);
	CHECK("its code", info.xlated_prog_len >= 2 * sizeof *back && back[0].code == (BPF_ALU64 | BPF_MOV | BPF_K) && back[0].imm == 1);
	memset(&a, 0, sizeof a);
	a.prog_id = info.id;
	int again = bpf(BPF_PROG_GET_FD_BY_ID, &a, sizeof a);
	CHECK("by its number", again >= 0);
	close(again);
	detach(group, -1);
	detach(top, all);
	close(all);
	CHECK_ERRNO("no longer", bpf(BPF_PROG_GET_FD_BY_ID, &a, sizeof a), ENOENT);
	close(none);
	close(some);
}

static void privilege(void)
{
	if (fork() == 0) {
		setuid(65534);
		struct bpf_insn code[] = {MOV(0, 1), EXIT};
		_exit(load_type(BPF_PROG_TYPE_CGROUP_DEVICE, code, 2, 0) == -1 && errno == EPERM);
	}
	int status;
	CHECK("nobody else may", wait(&status) > 0 && WEXITSTATUS(status) == 1);
	union bpf_attr a;
	char more[sizeof a + 64];
	memset(more, 0, sizeof more);
	more[sizeof more - 1] = 1;
	CHECK_ERRNO("fields of the future", bpf(BPF_PROG_LOAD, (void *)more, sizeof more), E2BIG);
	CHECK_ERRNO("more than a page", bpf(BPF_PROG_LOAD, (void *)more, 5000), E2BIG);
	CHECK_ERRNO("no such command", bpf(9999, (void *)&a, 0), EINVAL);
}

int main(void)
{
	int probe = LOAD(MOV(0, 1), EXIT);
	if (probe < 0 || !cg_begin()) return T_NOT_HERE;
	close(probe);
	char dir[] = "/tmp/devicebpf.XXXXXX", home[600], procs[600], pid[16];
	CHECK("a directory to work in", mkdtemp(dir) && chdir(dir) == 0);
	verifier();
	privilege();
	snprintf(home, sizeof home, "%s/cgroup.procs", cg_top);
	snprintf(procs, sizeof procs, "%s/sub", cg_root);
	mkdir(procs, 0755);
	int top = open(cg_root, O_RDONLY | O_DIRECTORY), group = open(procs, O_RDONLY | O_DIRECTORY);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	CHECK("in a group", top >= 0 && group >= 0 && cg_write("sub/cgroup.procs", pid) == 0);
	computing(group);
	deciding(top, group);
	close(top);
	close(group);
	int fd = open(home, O_WRONLY);
	CHECK("back again", write(fd, pid, strlen(pid)) > 0);
	close(fd);
	rmdir(procs);
	CHECK("the groups go", rmdir(cg_root) == 0);
	CHECK("the directory is empty", chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
