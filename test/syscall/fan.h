/* fanotify(7): an instance, a tmpfs of one's own to watch, and events as text. */
#ifndef FAN_H
#define FAN_H

#include "mountns.h"
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <linux/fanotify.h>

#ifndef FAN_FS_ERROR
#define FAN_FS_ERROR 0x8000
#endif

/* Files by their handles, to name them in what is printed. */
static struct fan_known {
	char label[32];
	struct file_handle h;
	unsigned char bytes[MAX_HANDLE_SZ];
} fan_known[32];
static int fan_knows;

static struct file_handle *fan_handle(const char *path)
{
	static struct { struct file_handle h; unsigned char bytes[MAX_HANDLE_SZ]; } f;
	int id;
	memset(&f, 0, sizeof f);
	f.h.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(AT_FDCWD, path, &f.h, &id, 0) == 0 ? &f.h : NULL;
}

__attribute__((unused))
static void fan_know(const char *label, const char *path)
{
	struct fan_known *k = &fan_known[fan_knows++];
	struct file_handle *h = fan_handle(path);
	CHECK(h != NULL);
	strcpy(k->label, label);
	memcpy(&k->h, h, sizeof *h + h->handle_bytes);
}

static const char *fan_label(struct file_handle *h)
{
	for (int i = 0; i < fan_knows; i++) {
		struct file_handle *k = &fan_known[i].h;
		if (k->handle_bytes == h->handle_bytes && k->handle_type == h->handle_type &&
		    memcmp(k->f_handle, h->f_handle, h->handle_bytes) == 0)
			return fan_known[i].label;
	}
	return "?";
}

static const struct { unsigned bit; const char *name; } fan_bits[] = {
	{FAN_ACCESS, "ACCESS"}, {FAN_MODIFY, "MODIFY"}, {FAN_ATTRIB, "ATTRIB"},
	{FAN_CLOSE_WRITE, "CLOSE_WRITE"}, {FAN_CLOSE_NOWRITE, "CLOSE_NOWRITE"}, {FAN_OPEN, "OPEN"},
	{FAN_MOVED_FROM, "MOVED_FROM"}, {FAN_MOVED_TO, "MOVED_TO"}, {FAN_CREATE, "CREATE"},
	{FAN_DELETE, "DELETE"}, {FAN_DELETE_SELF, "DELETE_SELF"}, {FAN_MOVE_SELF, "MOVE_SELF"},
	{FAN_OPEN_EXEC, "OPEN_EXEC"}, {FAN_Q_OVERFLOW, "Q_OVERFLOW"}, {FAN_OPEN_PERM, "OPEN_PERM"},
	{FAN_ACCESS_PERM, "ACCESS_PERM"}, {FAN_OPEN_EXEC_PERM, "OPEN_EXEC_PERM"},
	{FAN_RENAME, "RENAME"}, {FAN_ONDIR, "ONDIR"},
};

static pid_t fan_self, fan_child;

static void fan_print(struct fanotify_event_metadata *m)
{
	unsigned left = m->mask;
	printf("   ");
	for (unsigned i = 0; i < sizeof fan_bits / sizeof *fan_bits; i++)
		if (left & fan_bits[i].bit) {
			printf(" %s", fan_bits[i].name);
			left &= ~fan_bits[i].bit;
		}
	if (left) printf(" +%x", left);
	if (m->vers != FANOTIFY_METADATA_VERSION || m->metadata_len != 24) printf(" (bad header)");
	printf(" by %s", m->pid == fan_self ? "me" : m->pid == fan_child ? "child" : m->pid == 0 ? "nobody" : "somebody");
	if (m->fd >= 0) {
		char link[64], path[PATH_MAX];
		snprintf(link, sizeof link, "/proc/self/fd/%d", m->fd);
		int n = readlink(link, path, sizeof path - 1);
		path[n < 0 ? 0 : n] = 0;
		printf(" fd %s", path);
		close(m->fd);
	} else if (m->fd != FAN_NOFD) {
		printf(" fd error %d", m->fd);
	}
	for (unsigned at = m->metadata_len; at < m->event_len;) {
		struct fanotify_event_info_header *h = (void *)((char *)m + at);
		if (h->len == 0) break;
		if (h->info_type == FAN_EVENT_INFO_TYPE_PIDFD) {
			struct fanotify_event_info_pidfd *p = (void *)h;
			printf(" pidfd%s", p->pidfd >= 0 ? "" : " none");
			if (p->pidfd >= 0) close(p->pidfd);
		} else {
			struct fanotify_event_info_fid *f = (void *)h;
			struct file_handle *fh = (void *)f->handle;
			static const char *kinds[] = {"", "FID", "DFID_NAME", "DFID", "", "", "", "", "", "", "OLD", "", "NEW"};
			printf(" [%s %s", kinds[h->info_type], fan_label(fh));
			int fixed = sizeof *f + sizeof *fh + fh->handle_bytes;
			if (h->len > fixed) printf(" '%s'", (char *)h + fixed);
			if (h->len % 4) printf(" (bad length)");
			struct statfs s;
			if (statfs(".", &s) != 0 || memcmp(&s.f_fsid, &f->fsid, 8) != 0) printf(" (other fs)");
			printf("]");
		}
		at += h->len;
	}
	printf("\n");
}

/* All that has happened, by name of what was done. */
__attribute__((unused))
static void fan_show(int fan, const char *what)
{
	static char buf[65536] __attribute__((aligned(8)));
	printf("%s:\n", what);
	int n;
	while ((n = read(fan, buf, sizeof buf)) > 0) {
		struct fanotify_event_metadata *m = (void *)buf;
		for (; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) fan_print(m);
	}
	if (n != -1 || errno != EAGAIN) printf("    read: %d errno %d\n", n, errno);
	fflush(stdout);
}

/* An instance, or the end of the program on a host that has no fanotify for us. */
__attribute__((unused))
static int fan_new(unsigned flags, unsigned event_flags)
{
	int fan = fanotify_init(flags | FAN_CLOEXEC, event_flags);
	CHECK(fan >= 0);
	return fan;
}

__attribute__((unused))
static void fan_mark(int fan, unsigned flags, uint64_t mask, const char *path)
{
	if (fanotify_mark(fan, flags, mask, AT_FDCWD, path) != 0) {
		printf("not ok mark %x %lx %s: errno %d\n", flags, (unsigned long)mask, path, errno);
		exit(1);
	}
}

__attribute__((unused))
static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

__attribute__((unused))
static void get(const char *path)
{
	char buf[64];
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, buf, sizeof buf) >= 0 && close(fd) == 0);
}

__attribute__((unused))
static void fan_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(50);
	/* Flags that Linux has had since 5.17. */
	int fan = geteuid() == 0 ? fanotify_init(FAN_REPORT_DFID_NAME_TARGET | FAN_NONBLOCK, 0) : -1;
	if (fan < 0 || unshare(CLONE_NEWNS) != 0) {
		printf("no fanotify for us here\n");
		exit(T_NOT_HERE);
	}
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	mkdir("/tmp/fan", 0755);
	CHECK(mount("fan", "/tmp/fan", "tmpfs", 0, NULL) == 0 && chdir("/tmp/fan") == 0);
	/* And since 6.0. */
	if (fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORE_SURV | FAN_MARK_EVICTABLE, FAN_OPEN, AT_FDCWD, ".") != 0) {
		printf("an older fanotify\n");
		exit(T_NOT_HERE);
	}
	close(fan);
	fan_self = getpid();
}

#endif
