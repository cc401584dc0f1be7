/* fanotify tells of a file system that is damaged. Guest only: "bad" on /dev/vkd0 has no sound extents. */
#include "../syscall/fan.h"

int main(void)
{
	char c, buf[512] __attribute__((aligned(8)));
	mkdir("/tmp/m", 0755);
	CHECK(mount("/dev/vkd0", "/tmp/m", "ext4", 0, "errors=continue") == 0);
	int fan = fan_new(FAN_REPORT_FID | FAN_NONBLOCK, 0);
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, "/tmp/m");
	int good = open("/tmp/m/good", O_RDONLY), bad = open("/tmp/m/bad", O_RDONLY);
	CHECK(good >= 0 && read(good, &c, 1) == 1);
	CHECK_ERRNO("nothing wrong yet", read(fan, buf, sizeof buf), EAGAIN);
	CHECK("damage", bad < 0 || read(bad, &c, 1) < 0);
	bad = open("/tmp/m/bad", O_RDONLY);
	CHECK("and again", bad < 0 || read(bad, &c, 1) < 0);
	int n = read(fan, buf, sizeof buf);
	struct fanotify_event_metadata *m = (void *)buf;
	CHECK("one event", n == (int)m->event_len && m->mask == FAN_FS_ERROR && m->fd == FAN_NOFD);
	struct fanotify_event_info_fid *f = (void *)(m + 1);
	struct file_handle *h = (void *)f->handle;
	CHECK("about no file", f->hdr.info_type == FAN_EVENT_INFO_TYPE_FID && h->handle_type == 0xff && h->handle_bytes == 0);
	struct { struct fanotify_event_info_header hdr; int error; unsigned count; } *e = (void *)((char *)f + f->hdr.len);
	CHECK("what, and how often", e->hdr.info_type == 5 && e->hdr.len == sizeof *e && e->error == EUCLEAN && e->count >= 2);
	CHECK_ERRNO("no other", read(fan, buf, sizeof buf), EAGAIN);
	return t_end();
}
