/*
 * fanotify's queue: what comes when it is full. The limit is the whole host's, so no test may change it there;
 * real Linux says the same.
 */
#include "fan.h"

static char out[65536];

/* How many events of each kind there are to read. */
static int count(int fan, unsigned mask)
{
	int found = 0, n;
	while ((n = read(fan, out, sizeof out)) > 0)
		for (struct fanotify_event_metadata *m = (void *)out; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) {
			if (m->mask & mask) found++;
			else found += 1000;
			if (m->mask == FAN_Q_OVERFLOW) CHECK(m->fd == FAN_NOFD && m->pid == 0);
			if (m->fd >= 0) close(m->fd);
		}
	return found;
}

static void limit(int n)
{
	FILE *f = fopen("/proc/sys/fs/fanotify/max_queued_events", "w");
	CHECK(f != NULL && fprintf(f, "%d", n) > 0 && fclose(f) == 0);
}

int main(void)
{
	fan_begin();
	limit(4);
	int fan = fan_new(FAN_NONBLOCK, O_RDONLY), wide = fan_new(FAN_NONBLOCK | FAN_UNLIMITED_QUEUE, O_RDONLY);
	int asks = fan_new(FAN_NONBLOCK | FAN_CLASS_CONTENT, O_RDONLY), at_4 = fan_new(FAN_NONBLOCK, O_RDONLY);
	limit(16384);
	mkdir("many", 0755);
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, "many");
	fan_mark(wide, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, "many");
	fan_mark(at_4, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, "many");
	fan_mark(asks, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, "many");
	for (int i = 0; i < 6; i++) {
		char name[] = "many/a";
		name[5] += i;
		put(name, "");
	}
	CHECK("four, and that there were more", count(fan, FAN_OPEN) == 1004);
	put("many/a", "");
	CHECK("and then one again", count(fan, FAN_OPEN) == 1);
	CHECK("an unlimited one has all, each once", count(wide, FAN_OPEN) == 6);
	put("many/a", "");
	char first[24] __attribute__((aligned(8)));
	CHECK("that it overflowed is told once, at its place", read(at_4, first, sizeof first) == sizeof first);
	close(((struct fanotify_event_metadata *)first)->fd);
	put("many/f", "");
	CHECK(count(at_4, FAN_OPEN) >= 1003);
	/* Who would have to be asked is not, where the question finds no room. */
	fan_mark(asks, FAN_MARK_ADD, FAN_OPEN_PERM, "many/a");
	put("many/a", "");
	ok("no room for a question");
	return t_end();
}
