/* fs.lease-break-time and fs.leases-enable: an administrator's, so not for a test's host. */
#include "t.h"
#include <fcntl.h>

static int set(const char *name, const char *value)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/sys/fs/%s", name);
	int f = open(path, O_WRONLY);
	int r = f < 0 ? -1 : write(f, value, strlen(value)) == (ssize_t)strlen(value) ? 0 : -1;
	if (f >= 0) close(f);
	return r;
}

int main(void)
{
	signal(SIGIO, SIG_IGN);
	CHECK(chdir("/tmp") == 0 && close(open("leased", O_CREAT | O_WRONLY, 0600)) == 0);
	int r = open("leased", O_RDONLY);
	CHECK("a second to answer in", set("lease-break-time", "1\n") == 0);
	CHECK(fcntl(r, F_SETLEASE, F_WRLCK) == 0);
	int r2 = open("leased", O_RDONLY);
	CHECK("a write lease sinks by itself", r2 >= 0 && fcntl(r, F_GETLEASE) == F_RDLCK);
	int w = open("leased", O_WRONLY);
	CHECK("a read lease ends by itself", w >= 0 && fcntl(r, F_GETLEASE) == F_UNLCK);
	close(w);
	close(r2);
	CHECK(fcntl(r, F_SETLEASE, F_RDLCK) == 0);
	CHECK("leases are switched off", set("leases-enable", "0\n") == 0);
	CHECK("those that are there go on", fcntl(r, F_SETLEASE, F_WRLCK) == 0 && fcntl(r, F_SETLEASE, F_UNLCK) == 0);
	CHECK_ERRNO("there are no new ones", fcntl(r, F_SETLEASE, F_RDLCK), EINVAL);
	CHECK(unlink("leased") == 0);
	return t_end();
}
