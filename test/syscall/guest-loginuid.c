/* Who logged in: only in a guest, since it changes who the caller is for good. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "t.h"

static char text[64];

static const char *get(const char *path)
{
	int fd = open(path, O_RDONLY);
	int n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	return text;
}

static int put(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY);
	int n = write(fd, what, strlen(what));
	int e = errno;
	close(fd);
	errno = e;
	return n < 0 ? -1 : 0;
}

int main(void)
{
	CHECK("nobody yet", strcmp(get("/proc/self/loginuid"), "4294967295") == 0);
	CHECK("no session", strcmp(get("/proc/self/sessionid"), "4294967295") == 0);
	CHECK_ERRNO("a word", put("/proc/self/loginuid", "root"), EINVAL);
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/loginuid", getpid());
	CHECK("another's is not mine to set", STATUS_OF({ CHECK_ERRNO(put(path, "5"), EPERM); }) == 0);
	CHECK("a login", put("/proc/self/loginuid", "1000") == 0);
	CHECK("is seen", strcmp(get("/proc/self/loginuid"), "1000") == 0);
	CHECK("and has a number", strcmp(get("/proc/self/sessionid"), "1") == 0);
	int status = STATUS_OF({
		CHECK(strcmp(get("/proc/self/loginuid"), "1000") == 0);
		CHECK(put("/proc/self/loginuid", "1001") == 0);
		CHECK(strcmp(get("/proc/self/sessionid"), "2") == 0);
		CHECK(setresuid(1000, 1000, 1000) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
		CHECK_ERRNO(put("/proc/self/loginuid", "0"), EPERM);
	});
	CHECK("inherited, and not to be changed without privilege", status == 0);
	CHECK("security modules: none", open("/proc/self/attr/current", O_RDONLY) >= 0 && get("/proc/self/attr/current")[0] == 0);
	return t_end();
}
