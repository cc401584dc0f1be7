/* execve: arguments, environment, scripts, descriptors, errors, auxiliary vector. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <elf.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "t.h"
#include "asleep.h"

extern char **environ;
static char self[256], dir[64];

static char *path_of(const char *name) {
  static char p[4][128];
  static int i;
  i = (i + 1) % 4;
  snprintf(p[i], sizeof p[i], "%s/%s", dir, name);
  return p[i];
}

static char *make(const char *name, const void *bytes, size_t n, int mode) {
  char *p = path_of(name);
  unlink(p);
  int fd = open(p, O_CREAT | O_WRONLY | O_TRUNC, 0700);
  CHECK(fd >= 0);
  CHECK(write(fd, bytes, n) == (ssize_t)n);
  CHECK(fchmod(fd, mode) == 0);
  close(fd);
  return p;
}

static int run(const char *path, char *const argv[], char *const envp[]) {
  int st;
  pid_t p = fork();
  if (p == 0) {
    execve(path, argv, envp);
    _exit(128 + (errno & 127));
  }
  CHECK(waitpid(p, &st, 0) == p);
  return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}

static int failure(const char *path) {
  char *argv[] = {(char *)path, NULL};
  int r = run(path, argv, environ);
  return r >= 128 && r < 1000 ? r - 128 : -r;
}

static void arguments(void) {
  char *argv[] = {"zero", "--args", "one", "", "three", NULL};
  char *envp[] = {"A=b", "EMPTY=", NULL};
  CHECK(run(self, argv, envp) == 61);
  ok("arguments and environment arrive");
}

static void errors(void) {
  CHECK(failure("/nonexistent") == ENOENT);
  CHECK(failure("/") == EACCES);
  CHECK(failure("/proc/self/exe/x") == ENOTDIR);
  CHECK(failure(make("noexec", "#!/bin/sh\n", 10, 0600)) == EACCES);
  CHECK(failure(make("empty", "", 0, 0700)) == ENOEXEC);
  CHECK(failure(make("garbage", "garbage in, errno out", 21, 0700)) == ENOEXEC);
  CHECK(failure(make("badscript", "#!/nonexistent/interp\n", 22, 0700)) == ENOENT);
  CHECK(failure(make("noscript", "#!\n", 3, 0700)) == ENOEXEC);
  CHECK_ERRNO(execve("", (char *[]){"x", NULL}, environ), ENOENT);
  char *volatile wild = (char *)8;
  CHECK_ERRNO(execve(wild, (char *[]){"x", NULL}, environ), EFAULT);
  CHECK_ERRNO(execve(self, (char **)wild, environ), EFAULT);
  ok("errors leave the caller as it was");
}

static void hostile_headers(void) {
  static unsigned char file[65536];
  int fd = open(self, O_RDONLY);
  ssize_t n = read(fd, file, sizeof file);
  close(fd);
  CHECK(n > 1000);
  Elf64_Ehdr *e = (Elf64_Ehdr *)file;
  Elf64_Ehdr keep = *e;
  e->e_phnum = 0;
  CHECK(failure(make("phnum0", file, n, 0700)) == ENOEXEC);
  e->e_phnum = 65535;
  CHECK(failure(make("phnum", file, n, 0700)) == ENOEXEC);
  *e = keep;
  e->e_phentsize = 1;
  CHECK(failure(make("phent", file, n, 0700)) == ENOEXEC);
  *e = keep;
  e->e_machine = 7;
  CHECK(failure(make("machine", file, n, 0700)) == ENOEXEC);
  *e = keep;
  e->e_type = ET_REL;
  CHECK(failure(make("type", file, n, 0700)) == ENOEXEC);
  *e = keep;
  CHECK(failure(make("short", file, 40, 0700)) != 0);
  ok("hostile headers are refused");
}

static void scripts(void) {
  char text[512];
  snprintf(text, sizeof text, "#!%s --script and more  \nnot read\n", self);
  char *p = make("script", text, strlen(text), 0700);
  char *argv[] = {"ignored", "x", "y", NULL};
  CHECK(run(p, argv, environ) == 62);
  snprintf(text, sizeof text, "#!  %s\t--script\tand more", self);
  CHECK(run(make("script2", text, strlen(text), 0700), argv, environ) != 62);
  char name[32], last[128];
  strcpy(last, p);
  for (int i = 0; i < 8; i++) {
    snprintf(name, sizeof name, "nested%d", i);
    snprintf(text, sizeof text, "#!%s\n", last);
    strcpy(last, make(name, text, strlen(text), 0700));
  }
  CHECK(failure(last) == ELOOP);
  ok("scripts");
}

static void descriptors(void) {
  int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY | O_CLOEXEC);
  char sa[16], sb[16];
  snprintf(sa, sizeof sa, "%d", a);
  snprintf(sb, sizeof sb, "%d", b);
  char *argv[] = {"x", "--fds", sa, sb, NULL};
  CHECK(run(self, argv, environ) == 63);
  close(a);
  close(b);
  ok("close-on-exec");
}

static void handled(int sig) { (void)sig; }

static void dispositions(void) {
  sigset_t s, o;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR2);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGTERM, handled);
  sigprocmask(SIG_BLOCK, &s, &o);
  char *argv[] = {"x", "--signals", NULL};
  CHECK(run(self, argv, environ) == 64);
  sigprocmask(SIG_SETMASK, &o, NULL);
  signal(SIGUSR1, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  ok("handlers are reset, ignored and blocked signals stay");
}

static void big_arguments(void) {
  size_t n = 100 * 1024;
  char *big = malloc(n + 1);
  memset(big, 'x', n);
  big[n] = 0;
  char *argv[] = {"x", "--big", big, big, NULL};
  CHECK(run(self, argv, environ) == 65);
  char *huge = malloc(200 * 1024);
  memset(huge, 'x', 200 * 1024 - 1);
  huge[200 * 1024 - 1] = 0;
  argv[2] = huge;
  CHECK(run(self, argv, environ) == 128 + E2BIG);
  free(big);
  free(huge);
  ok("long arguments, and E2BIG");
}

static void by_descriptor(void) {
  int st, fd = open(self, O_RDONLY | O_CLOEXEC);
  pid_t p = fork();
  if (p == 0) {
    char *argv[] = {"zero", "--quick", NULL};
    syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
    _exit(1);
  }
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 66);
  p = fork();
  if (p == 0) {
    char *argv[] = {"zero", "--quick", NULL};
    syscall(SYS_execveat, AT_FDCWD, self, argv, environ, 0);
    _exit(1);
  }
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 66);
  CHECK_ERRNO(syscall(SYS_execveat, fd, "", environ, environ, 0), ENOENT);
  CHECK_ERRNO(syscall(SYS_execveat, 99, "x", environ, environ, 0), EBADF);
  char *l = path_of("link");
  unlink(l);
  CHECK(symlink(self, l) == 0);
  CHECK_ERRNO(syscall(SYS_execveat, AT_FDCWD, l, environ, environ, AT_SYMLINK_NOFOLLOW), ELOOP);
  close(fd);
  ok("execveat");
}

static void spawn(void) {
  pid_t p;
  int st;
  char *argv[] = {"zero", "--quick", NULL};
  CHECK(posix_spawn(&p, self, NULL, NULL, argv, environ) == 0);
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 66);
  CHECK(posix_spawn(&p, "/nonexistent", NULL, NULL, argv, environ) == ENOENT);
  ok("posix_spawn");
}

static void text_busy(void) {
  char *p = path_of("busy");
  static char buf[65536];
  int in = open(self, O_RDONLY), out = open(p, O_CREAT | O_RDWR | O_TRUNC, 0755);
  ssize_t n;
  while ((n = read(in, buf, sizeof buf)) > 0) CHECK(write(out, buf, n) == n);
  CHECK(failure(p) == ETXTBSY);
  close(out);
  char *argv[] = {"zero", "--quick", NULL};
  CHECK(run(p, argv, environ) == 66);
  pid_t c = fork();
  if (c == 0) {
    char *sleep_argv[] = {"zero", "--sleep", NULL};
    execv(p, sleep_argv);
    _exit(1);
  }
  int st;
  asleep(c);
  CHECK_ERRNO(open(p, O_WRONLY), ETXTBSY);
  kill(c, SIGKILL);
  CHECK(waitpid(c, &st, 0) == c);
  int w = open(p, O_WRONLY);
  CHECK(w >= 0);
  close(w);
  ok("ETXTBSY");
}

static void vector(void) {
  CHECK(getauxval(AT_PAGESZ) == 4096);
  CHECK(getauxval(AT_CLKTCK) == 100);
  CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid());
  CHECK(getauxval(AT_SECURE) == 0);
  CHECK(getauxval(AT_RANDOM) != 0);
  CHECK(strlen((char *)getauxval(AT_EXECFN)) > 0);
  Elf64_Phdr *ph = (Elf64_Phdr *)getauxval(AT_PHDR);
  CHECK(ph != NULL && getauxval(AT_PHENT) == sizeof *ph);
  int loads = 0;
  for (unsigned i = 0; i < getauxval(AT_PHNUM); i++) loads += ph[i].p_type == PT_LOAD;
  CHECK(loads > 0);
  CHECK(memcmp((void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4) == 0);
  ok("auxiliary vector");
}

static void comm(void) {
  char name[16];
  CHECK(prctl(PR_GET_NAME, name) == 0);
  char text[32] = {0};
  int fd = open("/proc/self/comm", O_RDONLY);
  CHECK(fd >= 0 && read(fd, text, sizeof text) > 0);
  text[strcspn(text, "\n")] = 0;
  CHECK(strcmp(name, text) == 0);
  CHECK(prctl(PR_SET_NAME, "a name that is too long") == 0);
  CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a name that is ") == 0);
  close(fd);
  ok("comm");
}

static int child(int argc, char **argv) {
  if (strcmp(argv[1], "--args") == 0) {
    int good = argc == 5 && !strcmp(argv[0], "zero") && !strcmp(argv[2], "one") && !*argv[3] && !strcmp(argv[4], "three");
    good = good && !strcmp(environ[0], "A=b") && !strcmp(environ[1], "EMPTY=") && !environ[2];
    return good ? 61 : 1;
  }
  if (strcmp(argv[1], "--script and more") == 0) {
    return argc == 5 && strstr(argv[2], "script") && !strcmp(argv[3], "x") && !strcmp(argv[4], "y") ? 62 : 1;
  }
  if (strcmp(argv[1], "--fds") == 0) {
    return fcntl(atoi(argv[2]), F_GETFD) == 0 && fcntl(atoi(argv[3]), F_GETFD) == -1 && errno == EBADF ? 63 : 1;
  }
  if (strcmp(argv[1], "--signals") == 0) {
    struct sigaction a;
    sigset_t s;
    sigaction(SIGUSR1, NULL, &a);
    if (a.sa_handler != SIG_IGN) return 1;
    sigaction(SIGTERM, NULL, &a);
    if (a.sa_handler != SIG_DFL) return 2;
    sigprocmask(SIG_SETMASK, NULL, &s);
    return sigismember(&s, SIGUSR2) && !sigismember(&s, SIGUSR1) ? 64 : 3;
  }
  if (strcmp(argv[1], "--big") == 0) return strlen(argv[2]) == 102400 && strlen(argv[3]) == 102400 ? 65 : 1;
  if (strcmp(argv[1], "--quick") == 0) return 66;
  if (strcmp(argv[1], "--sleep") == 0)
    for (;;) pause();
  return 1;
}

int main(int argc, char **argv) {
  if (argc > 1) return child(argc, argv);
  CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
  snprintf(dir, sizeof dir, "/tmp/exec-test.%d", getpid());
  CHECK(mkdir(dir, 0755) == 0);
  comm();
  arguments();
  errors();
  hostile_headers();
  scripts();
  descriptors();
  dispositions();
  big_arguments();
  by_descriptor();
  spawn();
  text_busy();
  vector();
  const char *names[] = {"noexec", "empty", "garbage", "badscript", "noscript", "phnum0", "phnum", "phent", "machine",
                         "type", "short", "script", "script2", "link", "busy"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) unlink(path_of(names[i]));
  for (int i = 0; i < 8; i++) {
    char n[16];
    snprintf(n, sizeof n, "nested%d", i);
    unlink(path_of(n));
  }
  CHECK(rmdir(dir) == 0);
  return 0;
}
