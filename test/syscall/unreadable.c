/*
 * Who may not read a program may not look into it while it runs; nor may he where the loader is what he
 * may not read. For root alone, who can make such programs for others.
 */
#include "t.h"
#include <elf.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>

enum { USER = 1000 };

/* A program that only waits, wherever it is in memory. */
asm(".pushsection .rodata\n.globl idle\n.globl idle_end\nidle:\n"
#if defined(__x86_64__)
    "1: mov $34, %eax\nsyscall\njmp 1b\n"
#define MACHINE EM_X86_64
#elif defined(__riscv)
    "1: li a7, 73\nli a0, 0\nli a1, 0\nli a2, 0\nli a3, 0\nli a4, 0\necall\nj 1b\n"
#define MACHINE EM_RISCV
#endif
    "idle_end:\n.popsection\n");
#ifdef MACHINE
extern const char idle[], idle_end[];

static char dir[] = "/tmp/unreadable.XXXXXX", loader[64], program[64];

static void make(const char *path, const char *interpreter, int mode)
{
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p[2];
		char code[256], name[64];
	} f = {0};
	memcpy(f.e.e_ident, ELFMAG, SELFMAG);
	f.e.e_ident[EI_CLASS] = ELFCLASS64;
	f.e.e_ident[EI_DATA] = ELFDATA2LSB;
	f.e.e_ident[EI_VERSION] = f.e.e_version = EV_CURRENT;
	f.e.e_type = ET_DYN;
	f.e.e_machine = MACHINE;
	f.e.e_entry = (char *)f.code - (char *)&f;
	f.e.e_phoff = sizeof f.e;
	f.e.e_ehsize = sizeof f.e;
	f.e.e_phentsize = sizeof *f.p;
	f.e.e_phnum = interpreter ? 2 : 1;
	f.p[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = sizeof f, .p_memsz = sizeof f, .p_align = 4096};
	if (interpreter) {
		strcpy(f.name, interpreter);
		f.p[1] = (Elf64_Phdr){.p_type = PT_INTERP, .p_flags = PF_R, .p_offset = (char *)f.name - (char *)&f, .p_filesz = strlen(f.name) + 1, .p_align = 1};
	}
	memcpy(f.code, idle, idle_end - idle);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0700);
	CHECK(write(fd, &f, sizeof f) == sizeof f && fchmod(fd, mode) == 0 && close(fd) == 0);
}

/* Whose the process is that a user runs the program in, and what another one of his gets for looking into it. */
static int looked_into(int *owner)
{
	int went[2];
	char c, path[64];
	struct stat st;
	CHECK(pipe(went) == 0);
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		close(went[0]);
		fcntl(went[1], F_SETFD, FD_CLOEXEC);
		if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER)) _exit(1);
		execl(program, program, NULL);
		CHECK(write(went[1], "", 1) == 1);
		_exit(1);
	}
	close(went[1]);
	CHECK(read(went[0], &c, 1) == 0);
	close(went[0]);
	snprintf(path, sizeof path, "/proc/%d/environ", pid);
	CHECK(stat(path, &st) == 0);
	*owner = st.st_uid;
	int status = STATUS_OF(
		if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER)) _exit(1);
		_exit(open(path, O_RDONLY) >= 0 ? 0 : errno));
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, NULL, 0) == pid);
	return WEXITSTATUS(status);
}

int main(void)
{
	int owner, r;
	if (geteuid() != 0) return T_NOT_HERE;
	CHECK(mkdtemp(dir) && chmod(dir, 0755) == 0);
	snprintf(loader, sizeof loader, "%s/loader", dir);
	snprintf(program, sizeof program, "%s/program", dir);

	make(program, NULL, 0755);
	r = looked_into(&owner);
	CHECK("a program that its user may read is his", owner == USER && r == 0);
	make(program, NULL, 0711);
	r = looked_into(&owner);
	CHECK("one that he may not read is not", owner == 0 && r == EACCES);
	make(program, loader, 0755);
	make(loader, NULL, 0755);
	r = looked_into(&owner);
	CHECK("with a loader that he may read it is", owner == USER && r == 0);
	make(loader, NULL, 0711);
	r = looked_into(&owner);
	CHECK("with one that he may not read it is not", owner == 0 && r == EACCES);

	unlink(loader);
	unlink(program);
	rmdir(dir);
	return t_end();
}
#else
int main(void)
{
	return T_NOT_HERE;
}
#endif
