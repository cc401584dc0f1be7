/* Both ends of a pseudo-terminal: reads and writes that wait, closing, names, exclusive use. See pty(7), termios(3). */
#include "t.h"
#include "pty.h"
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *type_later(void *text) {
  pause_ms(30);
  CHECK(write(master, text, strlen(text)) == (ssize_t)strlen(text));
  return NULL;
}

static void noncanonical(int s, int min, int time) {
  struct termios t;
  CHECK(tcgetattr(s, &t) == 0);
  cfmakeraw(&t);
  t.c_cc[VMIN] = min;
  t.c_cc[VTIME] = time;
  CHECK(tcsetattr(s, TCSANOW, &t) == 0);
}

static void typed_later(const char *text, pthread_t *th) {
  CHECK(pthread_create(th, NULL, type_later, (void *)text) == 0);
}

static void blocking_reads(void) {
  int s = open(slave_name, O_RDWR | O_NOCTTY);
  char buf[16];
  pthread_t th;
  typed_later("line\n", &th);
  CHECK(read(s, buf, sizeof buf) == 5);
  pthread_join(th, NULL);
  read_all(master, "line\r\n");

  noncanonical(s, 1, 0);
  typed_later("x", &th);
  CHECK(read(s, buf, sizeof buf) == 1);
  pthread_join(th, NULL);

  noncanonical(s, 0, 2);
  long t = now_ms();
  CHECK(read(s, buf, sizeof buf) == 0);
  t = now_ms() - t;
  CHECK(t >= 190 && t < 1500);
  typed_later("y", &th);
  CHECK(read(s, buf, sizeof buf) == 1);
  pthread_join(th, NULL);

  noncanonical(s, 4, 2);
  typed_later("ab", &th);
  t = now_ms();
  CHECK(read(s, buf, sizeof buf) == 2);
  t = now_ms() - t;
  CHECK(t >= 220 && t < 1500);
  pthread_join(th, NULL);
  typed_later("abcd", &th);
  CHECK(read(s, buf, sizeof buf) == 4);
  pthread_join(th, NULL);
  noncanonical(s, 0, 0);
  CHECK(read(s, buf, sizeof buf) == 0);
  close(s);
}

static void *drain(void *arg) {
  size_t want = *(size_t *)arg;
  char buf[4096];
  for (size_t n = 0; n < want;) {
    ssize_t r = read(master, buf, sizeof buf);
    CHECK(r > 0);
    n += r;
  }
  return NULL;
}

static void blocking_writes(void) {
  int s = open(slave_name, O_RDWR | O_NOCTTY);
  noncanonical(s, 1, 0);
  size_t size = 200000;
  char *data = calloc(size, 1);
  pthread_t th;
  CHECK(pthread_create(&th, NULL, drain, &size) == 0);
  CHECK(write(s, data, size) == (ssize_t)size);
  pthread_join(th, NULL);
  CHECK(fcntl(s, F_SETFL, O_NONBLOCK) == 0);
  // Linux moves what was written to the master's side in its own time: full is what is so a moment later, too.
  do {
    while (write(s, data, 1000) > 0) {
    }
    pause_ms(5);
  } while (write(s, data, 1000) > 0);
  CHECK_ERRNO(write(s, data, 1000), EAGAIN);
  struct pollfd p = {s, POLLOUT, 0};
  CHECK(poll(&p, 1, 0) == 0);
  char buf[65536];
  CHECK(read(master, buf, sizeof buf) > 0);
  pause_ms(5);
  CHECK(poll(&p, 1, 100) == 1);
  free(data);
  close(s);
}

static void slave_closes(void) {
  char buf[16];
  int s = open(slave_name, O_RDWR | O_NOCTTY);
  CHECK(write(s, "last", 4) == 4);
  close(s);
  read_all(master, "last");
  CHECK_ERRNO(read(master, buf, sizeof buf), EIO);
  struct pollfd p = {master, POLLIN, 0};
  CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLHUP);
  s = open(slave_name, O_RDWR | O_NOCTTY);
  CHECK(poll(&p, 1, 0) == 0);
  close(s);
}

static void names(void) {
  struct stat st, by_name;
  int s = open(slave_name, O_RDWR | O_NOCTTY);
  CHECK(fstat(s, &st) == 0 && S_ISCHR(st.st_mode));
  CHECK(stat(slave_name, &by_name) == 0);
  CHECK(st.st_ino == by_name.st_ino && st.st_dev == by_name.st_dev);
  CHECK(st.st_rdev >> 8 == 136);
  CHECK(st.st_uid == getuid());
  char name[64];
  CHECK(ttyname_r(s, name, sizeof name) == 0 && strcmp(name, slave_name) == 0);
  CHECK(isatty(s) && isatty(master));
  int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  CHECK(peer >= 0 && fcntl(peer, F_GETFD) == FD_CLOEXEC);
  CHECK(ttyname_r(peer, name, sizeof name) == 0 && strcmp(name, slave_name) == 0);
  CHECK(chmod(slave_name, 0600) == 0);
  CHECK(fstat(peer, &st) == 0 && (st.st_mode & 07777) == 0600);
  CHECK_ERRNO(ioctl(s, TIOCGPTN, &st), ENOTTY);
  CHECK_ERRNO(ioctl(s, 0x5499, &st), ENOTTY);
  CHECK_ERRNO(unlink(slave_name), EPERM);
  CHECK_ERRNO(lseek(s, 0, SEEK_SET), ESPIPE);
  close(peer);
  close(s);
}

static void exclusive(void) {
  int s = open(slave_name, O_RDWR | O_NOCTTY), on = 0;
  CHECK(ioctl(s, TIOCEXCL) == 0);
  CHECK(ioctl(s, TIOCGEXCL, &on) == 0 && on == 1);
  pid_t pid = fork();
  if (pid == 0) {
    if (getuid() == 0 && setuid(65534) != 0) _exit(1);
    chmod(slave_name, 0666);
    _exit(open(slave_name, O_RDWR | O_NOCTTY) == -1 && (errno == EBUSY || errno == EACCES) ? 3 : 2);
  }
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
  CHECK(ioctl(s, TIOCNXCL) == 0);
  close(s);
}

static void run(const char *name, void (*body)(void)) {
  open_pty();
  body();
  close(master);
  ok(name);
}

int main(void) {
  run("reads wait for lines, bytes and time", blocking_reads);
  run("long writes wait for the reader", blocking_writes);
  run("closing the last slave", slave_closes);
  run("names and numbers", names);
  run("exclusive use", exclusive);
  return t_end();
}
