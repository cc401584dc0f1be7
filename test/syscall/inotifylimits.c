/* How much of inotify(7) a user may have: /proc/sys/fs/inotify. */
#include "t.h"
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/resource.h>

static long limit(const char *name)
{
	char path[96], text[32] = "";
	snprintf(path, sizeof path, "/proc/sys/fs/inotify/%s", name);
	int f = open(path, O_RDONLY);
	if (f < 0 || read(f, text, sizeof text - 1) <= 0) return -1;
	close(f);
	return atol(text);
}

int main(void)
{
	long max = limit("max_user_instances"), made = 0;
	CHECK("limits show", max > 0 && limit("max_user_watches") > 0 && limit("max_queued_events") > 0);
	struct rlimit r = {max + 64, max + 64};
	if (max > 4000 || setrlimit(RLIMIT_NOFILE, &r)) return T_NOT_HERE;
	int last = -1;
	for (; made <= max; made++) {
		int fd = inotify_init1(IN_NONBLOCK);
		if (fd < 0) break;
		last = fd;
	}
	CHECK("too many files", made <= max && errno == EMFILE);
	int other = open("/", O_RDONLY);
	CHECK("though there is room for others", other >= 0);
	close(last);
	CHECK("one is given back", inotify_init1(0) == last);
	return t_end();
}
