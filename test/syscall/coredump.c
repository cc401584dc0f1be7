/* core(5): when a core is written, by what name, and what is in it. */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "t.h"

static char dir[] = "/tmp/coredump.XXXXXX";
static volatile uint64_t marker = 0x6d61726b65727321;
static char *map, *hidden;
static struct stat st;

static void limit(rlim_t bytes)
{
	struct rlimit r = {bytes, RLIM_INFINITY};
	CHECK(setrlimit(RLIMIT_CORE, &r) == 0);
}

static int has_core(void)
{
	return lstat("core", &st) == 0;
}

/* What is in the file for `addr`: its offset, or -1. */
static off_t at_address(const uint8_t *core, uint64_t addr)
{
	const Elf64_Ehdr *e = (const void *)core;
	const Elf64_Phdr *p = (const void *)(core + e->e_phoff);
	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type != PT_LOAD) continue;
		if (addr >= p[i].p_vaddr && addr < p[i].p_vaddr + p[i].p_filesz)
			return p[i].p_offset + (addr - p[i].p_vaddr);
	}
	return -1;
}

/* The nth note of a type, counted from 0; NULL if there is none. */
static const void *note(const uint8_t *core, unsigned type, int n)
{
	const Elf64_Ehdr *e = (const void *)core;
	const Elf64_Phdr *p = (const void *)(core + e->e_phoff);
	for (uint64_t at = p->p_offset; at < p->p_offset + p->p_filesz;) {
		const Elf64_Nhdr *h = (const void *)(core + at);
		const uint8_t *desc = core + at + 12 + ((h->n_namesz + 3) & ~3u);
		if (h->n_type == type && memcmp(h + 1, "CORE", 5) == 0 && n-- == 0) return desc;
		at = desc + ((h->n_descsz + 3) & ~3u) - core;
	}
	return NULL;
}

int main(void)
{
	char pattern[128] = "";
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");
	if (!f || !fgets(pattern, sizeof pattern, f) || strcmp(pattern, "core\n") != 0) return T_NOT_HERE;
	fclose(f);
	int uses_pid = 1;
	f = fopen("/proc/sys/kernel/core_uses_pid", "r");
	if (!f || fscanf(f, "%d", &uses_pid) != 1 || uses_pid) return T_NOT_HERE;
	fclose(f);
	if (!mkdtemp(dir) || chdir(dir) != 0) return 1;

	limit(0);
	int status = STATUS_OF(abort());
	CHECK("no limit, no core", status == SIGABRT && !has_core());
	limit(1000);
	status = STATUS_OF(abort());
	CHECK("too small a limit", status == SIGABRT && !has_core());
	limit(RLIM_INFINITY);
	status = STATUS_OF(raise(SIGTERM));
	CHECK("a signal without", status == SIGTERM && !has_core());
	status = STATUS_OF(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); abort());
	CHECK("not dumpable", status == SIGABRT && !has_core());
	CHECK(mkdir("core", 0700) == 0);
	status = STATUS_OF(abort());
	CHECK("a directory in the way", status == SIGABRT);
	CHECK(rmdir("core") == 0 && mkfifo("core", 0700) == 0);
	status = STATUS_OF(abort());
	CHECK("a FIFO is removed", status == (SIGABRT | 0x80) && has_core() && S_ISREG(st.st_mode));
	CHECK(unlink("core") == 0 && symlink("elsewhere", "core") == 0);
	status = STATUS_OF(abort());
	CHECK("so is a symlink", status == (SIGABRT | 0x80) && lstat("elsewhere", &st) != 0);
	CHECK(unlink("core") == 0 && close(open("one", O_CREAT | O_WRONLY, 0600)) == 0 &&
	      link("one", "core") == 0);
	status = STATUS_OF(abort());
	CHECK("and another file's name", status == (SIGABRT | 0x80) && has_core() && st.st_size > 0 &&
	      lstat("one", &st) == 0 && st.st_size == 0);
	CHECK(unlink("core") == 0);

	/* What is in it. */
	map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	hidden = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(map + 4096, "in the second page");
	strcpy(hidden, "not to be dumped");
	strcpy(shared, "shared");
	CHECK(madvise(hidden, 4096, MADV_DONTDUMP) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		marker++;
		*(volatile int *)24 = 1;
	}
	siginfo_t info;
	CHECK("waitid", waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0 && info.si_code == CLD_DUMPED &&
	      info.si_status == SIGSEGV);
	CHECK("WCOREDUMP", waitpid(pid, &status, 0) == pid && status == (SIGSEGV | 0x80));
	CHECK("a core", has_core() && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0600);
	int fd = open("core", O_RDONLY);
	const uint8_t *core = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	const Elf64_Ehdr *e = (const void *)core;
	CHECK("an ELF file", core != MAP_FAILED && !memcmp(e->e_ident, ELFMAG, SELFMAG) && e->e_type == ET_CORE &&
	      e->e_phnum > 3);
	off_t at = at_address(core, (uint64_t)&marker);
	CHECK("data as it was in the end", at > 0 && *(uint64_t *)(core + at) == marker + 1);
	at = at_address(core, (uint64_t)map + 4096);
	CHECK("memory", at > 0 && strcmp((char *)core + at, "in the second page") == 0);
	CHECK("untouched pages are zero", at > 0 && core[at - 4096] == 0 && core[at + 4096] == 0);
	CHECK("without what is not to be", at_address(core, (uint64_t)hidden) < 0);
	at = at_address(core, (uint64_t)shared);
	CHECK("with shared memory", at > 0 && strcmp((char *)core + at, "shared") == 0);
	const prstatus_t *pr = note(core, NT_PRSTATUS, 0);
	CHECK("NT_PRSTATUS", pr && pr->pr_pid == pid && pr->pr_cursig == SIGSEGV &&
	      pr->pr_ppid == getpid());
	CHECK("of one thread", note(core, NT_PRSTATUS, 1) == NULL);
	const prpsinfo_t *ps = note(core, NT_PRPSINFO, 0);
	CHECK("NT_PRPSINFO", ps && ps->pr_pid == pid && strchr(ps->pr_psargs, '/') != NULL);
	const siginfo_t *si = note(core, NT_SIGINFO, 0);
	CHECK("NT_SIGINFO", si && si->si_signo == SIGSEGV && si->si_addr == (void *)24);
	CHECK("NT_AUXV", note(core, NT_AUXV, 0) != NULL);
	CHECK("NT_FPREGSET", note(core, NT_FPREGSET, 0) != NULL);
	const uint64_t *files = note(core, NT_FILE, 0);
	CHECK("NT_FILE", files && files[0] >= 1 && files[1] == 4096);
	close(fd);

	/* Another one in its place; one cut short by the limit. */
	limit(8192);
	status = STATUS_OF(abort());
	CHECK("cut at the limit", status == (SIGABRT | 0x80) && has_core() && st.st_size <= 8192);
	CHECK(unlink("core") == 0);

	/* coredump_filter. */
	limit(RLIM_INFINITY);
	f = fopen("/proc/self/coredump_filter", "w");
	CHECK("coredump_filter", f && fputs("0x10", f) >= 0 && fclose(f) == 0);
	status = STATUS_OF(abort());
	CHECK("without private memory", status == (SIGABRT | 0x80) && has_core());
	fd = open("core", O_RDONLY);
	core = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK("nor shared", core != MAP_FAILED && at_address(core, (uint64_t)map + 4096) < 0 &&
	      at_address(core, (uint64_t)shared) < 0);
	CHECK(unlink("core") == 0 && unlink("one") == 0 && chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
