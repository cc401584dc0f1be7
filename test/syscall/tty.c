/*
 * Terminals and job control: controlling terminals, foreground groups, the
 * signals of keys and of background use, hangup. See credentials(7), ioctl_tty(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#include "t.h"
#include "pty.h"

static int hangup(void);

/* Runs `body` as a session leader in a process of its own; its exit status. `hangup` owns the master. */
static int in_session(int (*body)(void)) {
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    CHECK(setsid() > 0);
    _exit(body());
  }
  int status;
  if (body == hangup) close(master);
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static volatile sig_atomic_t got[65];
static void note(int sig) { got[sig]++; }
static void catch(int sig, int flags) {
  struct sigaction sa = {.sa_handler = note, .sa_flags = flags};
  CHECK(sigaction(sig, &sa, NULL) == 0);
}

static int acquire(void) {
  int s = open(slave_name, O_RDWR);
  CHECK(s >= 0);
  CHECK(tcgetsid(s) == getsid(0));
  CHECK(tcgetpgrp(s) == getpgrp());
  CHECK(tcgetpgrp(master) == getpgrp());
  int t = open("/dev/tty", O_RDWR);
  CHECK(t >= 0);
  CHECK(write(t, "hi", 2) == 2);
  return 0;
}

static int no_acquire(void) {
  int s = open(slave_name, O_RDWR | O_NOCTTY);
  CHECK(s >= 0);
  CHECK_ERRNO(tcgetsid(s), ENOTTY);
  CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
  CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
  CHECK(tcgetsid(s) == getpid());
  CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
  signal(SIGHUP, SIG_IGN);
  CHECK(ioctl(s, TIOCNOTTY) == 0);
  CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
  return 0;
}

static int foreground_errors(void) {
  int s = open(slave_name, O_RDWR);
  CHECK_ERRNO(tcsetpgrp(s, 99999999), ESRCH);
  CHECK_ERRNO(tcsetpgrp(s, -1), EINVAL);
  CHECK_ERRNO(tcsetpgrp(s, getppid()), EPERM);
  CHECK(tcsetpgrp(s, getpgrp()) == 0);
  return 0;
}

static int key_signals(void) {
  int s = open(slave_name, O_RDWR);
  catch(SIGINT, 0);
  catch(SIGQUIT, 0);
  catch(SIGWINCH, 0);
  char c;
  CHECK(write(master, "junk\003", 5) == 5);
  CHECK_ERRNO(got[SIGINT] ? (errno = EINTR, -1) : read(s, &c, 1), EINTR);
  CHECK(got[SIGINT] == 1);
  CHECK(write(master, "\034", 1) == 1);
  CHECK_ERRNO(got[SIGQUIT] ? (errno = EINTR, -1) : read(s, &c, 1), EINTR);
  CHECK(got[SIGQUIT] == 1);
  struct winsize w = {24, 80, 0, 0};
  CHECK(ioctl(master, TIOCSWINSZ, &w) == 0);
  CHECK(got[SIGWINCH] == 1);
  CHECK(ioctl(master, TIOCSWINSZ, &w) == 0);
  CHECK(got[SIGWINCH] == 1);
  memset(&w, 0, sizeof w);
  CHECK(ioctl(s, TIOCGWINSZ, &w) == 0 && w.ws_row == 24 && w.ws_col == 80);
  CHECK(write(master, "ab\n", 3) == 3);
  char buf[8];
  CHECK(read(s, buf, 8) == 3);
  return 0;
}

/* A child in a group of its own, which is then in the background. */
static pid_t background(int s, int (*body)(int)) {
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    setpgid(0, 0);
    _exit(body(s));
  }
  setpgid(pid, pid);
  return pid;
}

static int reader(int s) {
  char buf[16];
  return read(s, buf, sizeof buf) == 3 ? 7 : 1;
}

/* Reads once it is in the foreground, so as not to be stopped for reading before. */
static int foreground_reader(int s) {
  for (int i = 0; i < 5000 && tcgetpgrp(s) != getpgrp(); i++) usleep(1000);
  return reader(s);
}

static int writer(int s) { return write(s, "x", 1) == 1 ? 8 : 1; }

static int attributes_setter(int s) {
  struct termios t;
  if (tcgetattr(s, &t) != 0) return 1;
  return tcsetattr(s, TCSANOW, &t) == 0 ? 9 : 2;
}

static int ignoring_reader(int s) {
  char c;
  signal(SIGTTIN, SIG_IGN);
  return read(s, &c, 1) == -1 && errno == EIO ? 10 : 1;
}

static int blocking_setter(int s) {
  struct termios t;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTTOU);
  sigprocmask(SIG_BLOCK, &set, NULL);
  if (tcgetattr(s, &t) != 0) return 1;
  return tcsetattr(s, TCSANOW, &t) == 0 ? 11 : 2;
}

static void stops_then_exits(int s, int (*body)(int), int sig, int code, const char *typed) {
  int status;
  pid_t pid = background(s, body);
  CHECK(waitpid(pid, &status, WUNTRACED) == pid);
  CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == sig);
  CHECK(tcsetpgrp(s, pid) == 0);
  CHECK(write(master, typed, strlen(typed)) == (ssize_t)strlen(typed));
  CHECK(kill(-pid, SIGCONT) == 0);
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
  signal(SIGTTOU, SIG_IGN);
  CHECK(tcsetpgrp(s, getpgrp()) == 0);
  signal(SIGTTOU, SIG_DFL);
}

static void exits(pid_t pid, int code) {
  int status;
  CHECK(waitpid(pid, &status, WUNTRACED) == pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
}

static int job_control(void) {
  int s = open(slave_name, O_RDWR);
  stops_then_exits(s, reader, SIGTTIN, 7, "ab\n");
  exits(background(s, writer), 8);
  exits(background(s, ignoring_reader), 10);
  exits(background(s, blocking_setter), 11);
  stops_then_exits(s, attributes_setter, SIGTTOU, 9, "");
  struct termios t;
  CHECK(tcgetattr(s, &t) == 0);
  t.c_lflag |= TOSTOP;
  CHECK(tcsetattr(s, TCSANOW, &t) == 0);
  stops_then_exits(s, writer, SIGTTOU, 8, "");
  return 0;
}

static int stop_key(void) {
  int s = open(slave_name, O_RDWR), status;
  pid_t pid = background(s, foreground_reader);
  signal(SIGTTOU, SIG_IGN);
  CHECK(tcsetpgrp(s, pid) == 0);
  pause_ms(20);
  CHECK(write(master, "\032", 1) == 1);
  CHECK(waitpid(pid, &status, WUNTRACED) == pid);
  CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
  CHECK(kill(-pid, SIGCONT) == 0);
  CHECK(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
  CHECK(write(master, "xy\n", 3) == 3);
  exits(pid, 7);
  return 0;
}

static int orphan_reader(void) {
  int s = open(slave_name, O_RDWR), fds[2];
  CHECK(pipe(fds) == 0);
  signal(SIGHUP, SIG_IGN);
  pid_t middle = fork();
  if (middle == 0) {
    pid_t pid = fork();
    if (pid == 0) {
      char c;
      setpgid(0, 0);
      while (getppid() == middle) pause_ms(1);
      for (pid_t up = getppid(); up == getppid() && up != 1 && getsid(up) == getsid(0);) pause_ms(1);
      char r = read(s, &c, 1) == -1 && errno == EIO ? 'y' : 'n';
      CHECK(write(fds[1], &r, 1) == 1);
      _exit(0);
    }
    setpgid(pid, pid);
    _exit(0);
  }
  int status;
  char r = 0;
  CHECK(waitpid(middle, &status, 0) == middle);
  CHECK(read(fds[0], &r, 1) == 1);
  CHECK(r == 'y');
  return 0;
}

static int hangup(void) {
  int s = open(slave_name, O_RDWR);
  catch(SIGHUP, 0);
  catch(SIGCONT, 0);
  pause_ms(20);
  CHECK(close(master) == 0);
  char c;
  CHECK(got[SIGHUP] == 1 && got[SIGCONT] == 1);
  CHECK(read(s, &c, 1) == 0);
  CHECK_ERRNO(write(s, "x", 1), EIO);
  CHECK_ERRNO(ioctl(s, TIOCGWINSZ, &c), EIO);
  CHECK_ERRNO(ioctl(s, TIOCSPGRP, &c), ENOTTY);
  struct pollfd p = {s, POLLIN | POLLOUT, 0};
  CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT | POLLERR | POLLHUP));
  CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
  struct stat st;
  CHECK_ERRNO(stat(slave_name, &st), ENOENT);
  return 0;
}

static int virtual_hangup(void) {
  int s = open(slave_name, O_RDWR), other = open(slave_name, O_RDWR);
  char c;
  catch(SIGHUP, 0);
  if (geteuid() != 0) return 0;
  CHECK(syscall(SYS_vhangup) == 0);
  CHECK(got[SIGHUP] == 1);
  CHECK(read(s, &c, 1) == 0 && read(other, &c, 1) == 0);
  CHECK_ERRNO(write(s, "x", 1), EIO);
  CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
  int again = open(slave_name, O_RDWR);
  CHECK(again >= 0 && tcgetsid(again) == getpid());
  CHECK(write(again, "x", 1) == 1);
  return 0;
}

static int leader_exits(void) {
  int s = open(slave_name, O_RDWR), fds[2];
  CHECK(pipe(fds) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    catch(SIGHUP, 0);
    CHECK(write(fds[1], "r", 1) == 1);
    while (!got[SIGHUP]) pause_ms(1);
    _exit(write(s, "bye", 3) != 3);
  }
  char c;
  CHECK(read(fds[0], &c, 1) == 1);
  return 0;
}

static void run(const char *name, int (*body)(void)) {
  open_pty();
  CHECK(in_session(body) == 0);
  close(master);
  ok(name);
}

int main(void) {
  signal(SIGHUP, SIG_DFL);
  run("a session leader acquires the terminal it opens", acquire);
  run("O_NOCTTY, TIOCSCTTY and TIOCNOTTY", no_acquire);
  run("errors of tcsetpgrp", foreground_errors);
  run("keys and window changes signal the foreground", key_signals);
  run("background use stops", job_control);
  run("the stop key", stop_key);
  run("an orphaned background reader gets EIO", orphan_reader);
  run("closing the master hangs up", hangup);
  run("vhangup cuts all files and frees the terminal", virtual_hangup);
  open_pty();
  CHECK(in_session(leader_exits) == 0);
  int s = open(slave_name, O_RDWR | O_NOCTTY);
  read_all(master, "bye");
  close(s);
  close(master);
  ok("the end of the session leader signals the foreground");
  return t_end();
}
