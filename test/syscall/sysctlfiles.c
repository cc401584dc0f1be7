/* How the files of /proc/sys are opened, read and written; nothing is changed. See proc_sys(5). */
#include <fcntl.h>
#include "t.h"

#define SYS "/proc/sys/"

static char text[4096];

static int get(const char *name)
{
	char path[256];
	snprintf(path, sizeof path, SYS "%s", name);
	int fd = open(path, O_RDONLY);
	if (fd < 0) return -1;
	int n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	return n;
}

/* Numbers in a file, -1 if it is not such a file. */
static int numbers(const char *name)
{
	if (get(name) <= 0) return -1;
	int count = 0;
	char *at = text;
	for (;;) {
		char *end;
		strtol(at, &end, 10);
		if (end == at) break;
		count++;
		at = end;
	}
	return strcmp(at, "\n") == 0 ? count : -1;
}

int main(void)
{
	static const struct { const char *name; int count; } lists[] = {
		{ "fs/file-nr", 3 }, { "fs/file-max", 1 }, { "fs/nr_open", 1 }, { "fs/dentry-state", 6 },
		{ "fs/inode-nr", 2 }, { "fs/inode-state", 7 }, { "fs/mount-max", 1 },
		{ "fs/overflowuid", 1 }, { "fs/pipe-max-size", 1 }, { "fs/pipe-user-pages-hard", 1 },
		{ "fs/pipe-user-pages-soft", 1 }, { "fs/protected_fifos", 1 },
		{ "fs/protected_hardlinks", 1 }, { "fs/protected_regular", 1 },
		{ "fs/protected_symlinks", 1 }, { "fs/suid_dumpable", 1 },
		{ "fs/epoll/max_user_watches", 1 }, { "kernel/printk", 4 }, { "kernel/tainted", 1 },
		{ "kernel/pid_max", 1 }, { "kernel/threads-max", 1 }, { "kernel/pty/max", 1 },
		{ "kernel/pty/nr", 1 }, { "kernel/pty/reserve", 1 }, { "kernel/dmesg_restrict", 1 },
		{ "kernel/kptr_restrict", 1 }, { "kernel/overflowuid", 1 }, { "kernel/overflowgid", 1 },
		{ "kernel/printk_ratelimit", 1 }, { "kernel/printk_ratelimit_burst", 1 },
		{ "kernel/print-fatal-signals", 1 }, { "kernel/random/write_wakeup_threshold", 1 },
		{ "kernel/sysctl_writes_strict", 1 }, { "kernel/sem", 4 }, { "vm/overcommit_memory", 1 },
		{ "vm/overcommit_ratio", 1 }, { "vm/overcommit_kbytes", 1 }, { "vm/max_map_count", 1 },
		{ "vm/panic_on_oom", 1 }, { "vm/oom_dump_tasks", 1 }, { "vm/oom_kill_allocating_task", 1 },
		{ "vm/swappiness", 1 }, { "vm/admin_reserve_kbytes", 1 }, { "vm/user_reserve_kbytes", 1 },
		{ "user/max_inotify_instances", 1 }, { "user/max_inotify_watches", 1 },
	};
	for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++)
		CHECK(lists[i].name, numbers(lists[i].name) == lists[i].count);

	/* What is open shows in file-nr. */
	get("fs/file-nr");
	long before = atol(text);
	CHECK("somebody has files open", before > 0);

	int fd = open(SYS "kernel/pid_max", O_RDONLY);
	char c[16];
	CHECK("a number's first byte can be read alone", read(fd, c, 1) == 1);
	CHECK("and then there is no more of it", read(fd, c, sizeof c) == 0);
	CHECK("nor from the middle", pread(fd, c, sizeof c, 1) == 0);
	CHECK("it begins anew at the start", pread(fd, c, sizeof c, 0) > 1);
	close(fd);

	fd = open(SYS "kernel/ostype", O_RDONLY);
	CHECK("of a text all can be read byte by byte", read(fd, c, 1) == 1 && read(fd, c + 1, 1) == 1 &&
	      c[0] == 'L' && c[1] == 'i');
	CHECK("and from the middle", pread(fd, c, sizeof c, 3) == 3 && memcmp(c, "ux\n", 3) == 0);
	CHECK("its end is past the newline", pread(fd, c, sizeof c, 6) == 0);
	close(fd);

	CHECK_ERRNO("root cannot open for writing what nobody may write",
		    open(SYS "kernel/ostype", O_WRONLY), EACCES);
	CHECK_ERRNO("nor make files", open(SYS "kernel/nosuch", O_CREAT | O_WRONLY, 0644), ENOENT);
	CHECK_ERRNO("what is no name is not there", open(SYS "fs/nosuch", O_RDONLY), ENOENT);
	CHECK("uuids differ", get("kernel/random/uuid") == 37 && (memcpy(c, text, 16),
	      get("kernel/random/uuid") == 37 && memcmp(c, text, 16) != 0));
	return t_failed != 0;
}
