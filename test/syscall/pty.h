/* A pseudo-terminal for the programs that need one. See pts(4). */
#ifndef PTY_H
#define PTY_H
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

static int master;
static char slave_name[64];

static void open_pty(void) {
  master = posix_openpt(O_RDWR | O_NOCTTY);
  CHECK(master >= 0);
  CHECK(grantpt(master) == 0);
  CHECK(unlockpt(master) == 0);
  CHECK(ptsname_r(master, slave_name, sizeof slave_name) == 0);
}

static void pause_ms(int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&t, NULL);
}

static void read_all(int fd, const char *wanted) {
  char buf[256];
  size_t n = 0;
  while (n < strlen(wanted)) {
    ssize_t r = read(fd, buf + n, sizeof buf - n);
    CHECK(r > 0);
    n += r;
  }
  buf[n] = 0;
  CHECK(strcmp(buf, wanted) == 0);
}
#endif
