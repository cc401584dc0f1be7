/*
 * core_pattern with a program to pipe cores to: what it is given, who waits for it, and who does not get one.
 * Real Linux passes this, too, as root; but the setting is the whole host's, so no test may do it there.
 */
#include <elf.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "t.h"

#define DIR "/tmp/cp"
static volatile char marker[] = "find me in the core";
extern char **environ;

static void set(const char *name, const char *value)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/sys/kernel/%s", name);
	int fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value) && close(fd) == 0);
}

static void wait_for(const char *path)
{
	while (access(path, F_OK) != 0) usleep(1000);
}

/* A line of a file that begins so. */
static int says(const char *path, const char *line)
{
	char buf[4096], *at;
	int fd = open(path, O_RDONLY), n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
	close(fd);
	if (n < 0) return 0;
	buf[n] = 0;
	at = strstr(buf, line);
	return at != NULL && (at == buf || at[-1] == '\n');
}

/* The program that takes a core: `how`, pid, signal, uid, name, limit, and what is in quotes of no use. */
static int take(int argc, char **argv)
{
	const int room = 4 << 20;
	char *core = malloc(room);
	int out_is = fcntl(1, F_GETFD), err_is = fcntl(2, F_GETFD);
	const char *how = argv[2];
	if (strcmp(how, "leave") == 0) return 0;
	FILE *out = fopen(DIR "/out.new", "w");
	if (!out) return 1;
	if (strcmp(how, "late") == 0) {
		fclose(fopen(DIR "/here", "w"));
		wait_for(DIR "/go");
	}
	struct stat st;
	struct rlimit r;
	char path[64], cwd[64];
	int n = 0, size = 0;
	fprintf(out, "args %d:", argc);
	for (int i = 4; i < argc; i++) fprintf(out, " %s", argv[i]);
	fprintf(out, "\nuid %d euid %d groups %d env %d cwd %s\n", getuid(), geteuid(), getgroups(0, NULL),
		environ && *environ ? 1 : 0, getcwd(cwd, sizeof cwd) ? cwd : "?");
	fprintf(out, "stdin is %s, stdout %s, stderr %s\n", fstat(0, &st) == 0 && S_ISFIFO(st.st_mode) ? "a pipe" : "?",
		out_is < 0 ? "closed" : "open", err_is < 0 ? "closed" : "open");
	fprintf(out, "limit %ld\n", getrlimit(RLIMIT_CORE, &r) == 0 ? (long)r.rlim_cur : -1);
	snprintf(path, sizeof path, "/proc/%s/status", argv[3]);
	fprintf(out, "it is %s\n", says(path, "CoreDumping:\t1") ? "there" : "gone");
	snprintf(path, sizeof path, "/proc/%s/cmdline", argv[3]);
	fprintf(out, "and %s\n", says(path, "crash") ? "shows its arguments" : "does not");
	/* In small pieces, so that the pipe is full and empty more than once. */
	while (size < room && (n = read(0, core + size, 3000)) > 0) size += n;
	Elf64_Ehdr *e = (void *)core;
	Elf64_Phdr *p = (void *)(core + e->e_phoff);
	off_t end = 0;
	int found = 0;
	for (int i = 0; i < e->e_phnum; i++) {
		off_t e = p[i].p_offset + p[i].p_filesz;
		if (e > end) end = e;
		unsigned long at = (unsigned long)marker;
		/* The program is where it was there, as it has no fixed place only on other machines. */
		if (p[i].p_type == PT_LOAD && at >= p[i].p_vaddr && at - p[i].p_vaddr < p[i].p_filesz)
			found = strcmp(core + p[i].p_offset + (at - p[i].p_vaddr), "changed in the core") == 0;
	}
	fprintf(out, "a core %s, %s, %s\n", memcmp(e->e_ident, ELFMAG, 4) == 0 && e->e_type == ET_CORE ? "begins" : "?",
		end == size ? "whole" : "cut", found ? "with the marker" : "without");
	fclose(out);
	return rename(DIR "/out.new", DIR "/out");
}

static pid_t crash(void)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		strcpy((char *)marker, "changed in the core");
		prctl(PR_SET_NAME, "cra sh/er");
		*(volatile int *)0 = 1;
	}
	return child;
}

static int crashed(pid_t child)
{
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	if (WTERMSIG(status) != SIGSEGV) printf("    killed by %d\n", WTERMSIG(status));
	return WCOREDUMP(status) != 0;
}

static void show(void)
{
	char line[256];
	FILE *f = fopen(DIR "/out", "r");
	CHECK(f != NULL);
	while (fgets(line, sizeof line, f)) printf("    %s", line);
	fclose(f);
	unlink(DIR "/out");
}

static void copy(const char *from, const char *to)
{
	static char block[65536];
	int n, in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0755);
	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, block, sizeof block)) > 0) CHECK(write(out, block, n) == n);
	close(in);
	close(out);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "take") == 0) return take(argc, argv);
	if (argc == 1) {
		/* To be known by its arguments. */
		mkdir(DIR, 0755);
		copy("/proc/self/exe", DIR "/x");
		execl(DIR "/x", "crash", "it", NULL);
		return 1;
	}
	char old[128] = "";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY), n = read(fd, old, sizeof old - 1);
	CHECK(n > 0);
	close(fd);
	alarm(50);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, RLIM_INFINITY});

	set("core_pattern", "|" DIR "/x take read %p sig=%s %u.%g '%e' %E %f %c %d 100%% %q %");
	set("core_pipe_limit", "0");
	pid_t child = crash();
	CHECK("a limit of no bytes is no matter", crashed(child));
	wait_for(DIR "/out");
	show();

	set("core_pipe_limit", "1");
	set("core_pattern", "|" DIR "/x take late %P");
	child = crash();
	wait_for(DIR "/here");
	CHECK("it is there until its core was taken", waitpid(child, NULL, WNOHANG) == 0);
	CHECK("signals do nothing to it", kill(child, SIGTERM) == 0 && waitpid(child, NULL, WNOHANG) == 0);
	pid_t other = crash();
	CHECK("a second one is too many", !crashed(other));
	fclose(fopen(DIR "/go", "w"));
	CHECK("and then it ends", crashed(child));
	CHECK("with the program that took the core", access(DIR "/out", F_OK) == 0);
	show();

	unlink(DIR "/here");
	unlink(DIR "/go");
	child = crash();
	wait_for(DIR "/here");
	kill(child, SIGKILL);
	CHECK("killed meanwhile, it leaves none", !crashed(child));
	fclose(fopen(DIR "/go", "w"));
	wait_for(DIR "/out");
	unlink(DIR "/out");

	set("core_pattern", "|" DIR "/x take leave");
	CHECK("a program that reads nothing had its chance", crashed(crash()));
	set("core_pattern", "|" DIR "/nothing");
	CHECK("none there", !crashed(crash()));
	set("core_pattern", "|");
	CHECK("none named", !crashed(crash()));
	set("core_pattern", "|" DIR "/x take read %p");
	setrlimit(RLIMIT_CORE, &(struct rlimit){1, RLIM_INFINITY});
	CHECK("a limit of 1 is that of the program itself", !crashed(crash()));
	fflush(stdout);
	other = fork();
	if (other == 0) {
		prctl(PR_SET_DUMPABLE, 0);
		exit(!crashed(crash()) ? 0 : 1);
	}
	CHECK("nor one that may not be looked at", waitpid(other, &n, 0) == other && n == 0);
	/* What its user may not read all of, root may: fs.suid_dumpable. */
	set("../fs/suid_dumpable", "2");
	setrlimit(RLIMIT_CORE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
	CHECK(mkdir(DIR "/all", 0777) == 0 && chmod(DIR "/all", 0777) == 0 && chdir(DIR "/all") == 0);
	static const char *const suid[] = {"core", DIR "/all/core", DIR "/all/core", "|" DIR "/x take read %p %d"};
	struct stat st;
	for (int i = 0; i < 4; i++) {
		set("core_pattern", suid[i]);
		fflush(stdout);
		other = fork();
		if (other == 0) {
			setgid(1000);
			setuid(1000);
			*(volatile int *)0 = 1;
		}
		printf("    %s: %s\n", suid[i], crashed(other) ? "dumped" : "not dumped");
		if (i > 1) continue;
		CHECK("no core of one's own, but root's", i == 0 ? stat("core", &st) < 0 :
		      stat("core", &st) == 0 && st.st_uid == 0 && (st.st_mode & 07777) == 0600 && st.st_size > 10000);
	}
	wait_for(DIR "/out");
	show();
	set("../fs/suid_dumpable", "0");
	set("core_pipe_limit", "0");
	set("core_pattern", strcmp(old, "core\n") == 0 ? "core" : strtok(old, "\n"));
	return t_end();
}
