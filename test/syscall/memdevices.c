/* Devices that are memory, or none: null, zero, full and urandom. See null(4), full(4), random(4). */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "t.h"

static void memory_devices(void) {
  char buf[8] = "nonzero";
  int fd = open("/dev/null", O_RDWR);
  CHECK(write(fd, buf, 8) == 8 && read(fd, buf, 8) == 0 && lseek(fd, 5, SEEK_SET) == 0);
  close(fd);
  fd = open("/dev/zero", O_RDWR);
  CHECK(read(fd, buf, 8) == 8 && memcmp(buf, "\0\0\0\0\0\0\0", 8) == 0 && write(fd, buf, 8) == 8);
  CHECK(pread(fd, buf, 8, 100) == 8);
  close(fd);
  fd = open("/dev/full", O_RDWR);
  CHECK(read(fd, buf, 8) == 8);
  CHECK_ERRNO(write(fd, buf, 8), ENOSPC);
  close(fd);
  unsigned long a[2] = {0, 0}, b[2] = {0, 0};
  fd = open("/dev/urandom", O_RDONLY);
  CHECK(read(fd, a, sizeof a) == sizeof a && read(fd, b, sizeof b) == sizeof b);
  CHECK(memcmp(a, b, sizeof a) != 0);
  CHECK_ERRNO(ioctl(fd, 0x5401, buf), EINVAL);
  close(fd);
  fd = open("/dev/null", O_RDWR);
  CHECK_ERRNO(ioctl(fd, 0x5401, buf), ENOTTY);
  close(fd);
}

int main(void) {
  memory_devices();
  ok("null, zero, full, urandom");
  return t_end();
}
