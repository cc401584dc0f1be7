/* What root may do to a machine, and so not to the host: names, the clock, the messages; hwprobe. */
#include "t.h"

#include <fcntl.h>
#include <linux/reboot.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>

static void names(void)
{
	struct utsname u;
	char text[300];
	CHECK("sethostname", sethostname("venus.example", 13) == 0 && uname(&u) == 0 &&
				     strcmp(u.nodename, "venus.example") == 0);
	CHECK("setdomainname", setdomainname("nis", 3) == 0 && uname(&u) == 0 && strcmp(u.domainname, "nis") == 0);
	memset(text, 'x', sizeof text);
	CHECK("64 bytes", sethostname(text, 64) == 0 && uname(&u) == 0 && strlen(u.nodename) == 64);
	CHECK_ERRNO("65 are too many", sethostname(text, 65), EINVAL);
	CHECK_ERRNO("fewer than none", syscall(SYS_sethostname, text, -1L), EINVAL);
	CHECK_ERRNO("from nowhere", syscall(SYS_sethostname, 8L, 5), EFAULT);
	CHECK("none", sethostname("", 0) == 0 && uname(&u) == 0 && u.nodename[0] == 0);
	int fd = open("/proc/sys/kernel/hostname", O_RDWR);
	CHECK("by sysctl", write(fd, "mars\n", 5) == 5 && uname(&u) == 0 && strcmp(u.nodename, "mars") == 0);
	CHECK("the machine", strcmp(u.machine, "riscv64") == 0);
	close(fd);
}

static int woken;
static void on_alarm(int sig) { (void)sig; woken++; }

static void clock_setting(void)
{
	struct timespec before, mono, t, after;
	clock_gettime(CLOCK_REALTIME, &before);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	t = (struct timespec){before.tv_sec + 86400, 123456789};
	CHECK("clock_settime", clock_settime(CLOCK_REALTIME, &t) == 0);
	clock_gettime(CLOCK_REALTIME, &after);
	CHECK("a day later", after.tv_sec - t.tv_sec <= 1 && after.tv_sec >= t.tv_sec);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &after);
	CHECK("also by the call", after.tv_sec - t.tv_sec <= 1);
	CHECK("and by time()", time(NULL) - t.tv_sec <= 1);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK("the monotonic clock does not care", after.tv_sec - mono.tv_sec <= 1);
	/* One who sleeps until a time of day wakes when the clock is put past it. */
	pid_t p = fork();
	if (p == 0) {
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec += 3600;
		_exit(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
	}
	usleep(20000);
	struct timeval tv;
	gettimeofday(&tv, NULL);
	tv.tv_sec += 7200;
	CHECK("settimeofday", settimeofday(&tv, NULL) == 0);
	signal(SIGALRM, on_alarm);
	alarm(5);
	int st = -1;
	CHECK("a sleep until a time of day ends when that is past", waitpid(p, &st, 0) == p && st == 0 && !woken);
	/* And so does a timer, and a futex wait. */
	alarm(0);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	struct itimerspec it = {0};
	timer_t timer;
	timer_create(CLOCK_REALTIME, &ev, &timer);
	it.it_value.tv_sec = time(NULL) + 3600;
	timer_settime(timer, TIMER_ABSTIME, &it, NULL);
	tv.tv_sec += 7200;
	settimeofday(&tv, NULL);
	for (int i = 0; i < 1000 && !woken; i++) usleep(1000);
	CHECK("a timer for a time of day too", woken == 1);
	timer_delete(timer);
	p = fork();
	if (p == 0) {
		static unsigned word;
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec += 3600;
		/* FUTEX_WAIT_BITSET, FUTEX_CLOCK_REALTIME */
		_exit(syscall(SYS_futex, &word, 9 | 256, 0, &t, NULL, -1) == -1 && errno == ETIMEDOUT ? 0 : 1);
	}
	usleep(20000);
	tv.tv_sec += 7200;
	settimeofday(&tv, NULL);
	woken = 0;
	alarm(5);
	CHECK("and a wait for a futex", waitpid(p, &st, 0) == p && st == 0 && !woken);
	alarm(0);
	t = (struct timespec){9000000000L, 0};
	CHECK_ERRNO("a time too far off", clock_settime(CLOCK_REALTIME, &t), EINVAL);
	t = (struct timespec){-1, 0};
	CHECK_ERRNO("a time before all time", clock_settime(CLOCK_REALTIME, &t), EINVAL);
	CHECK("back", clock_settime(CLOCK_REALTIME, &before) == 0);
}

static void messages(void)
{
	static char text[1 << 18], again[1 << 18];
	int fd = open("/dev/kmsg", O_RDWR);
	CHECK("/dev/kmsg", fd >= 0 && write(fd, "<5>one of ours", 14) == 14);
	int n = klogctl(3, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	CHECK("read all", n > 0 && strstr(text, "<5>[") && strstr(text, "one of ours\n"));
	CHECK("unread", klogctl(9, NULL, 0) == n);
	CHECK("read takes", klogctl(2, again, 10) == 10 && memcmp(again, text, 10) == 0);
	CHECK("and goes on", klogctl(2, again + 10, sizeof again - 10) == n - 10 && memcmp(again, text, n) == 0);
	CHECK("nothing is unread", klogctl(9, NULL, 0) == 0);
	CHECK("read all still gives all", klogctl(3, again, sizeof again) == n);
	CHECK("the end of it", klogctl(3, again, 60) <= 60);
	CHECK("read and clear", klogctl(4, again, sizeof again) == n);
	CHECK("then it is clear", klogctl(3, again, sizeof again) == 0);
	write(fd, "two", 3);
	n = klogctl(3, again, sizeof again - 1);
	again[n > 0 ? n : 0] = 0;
	CHECK("up to the next one", n > 0 && strstr(again, "two\n") && !strstr(again, "one of ours"));
	CHECK_ERRNO("nowhere", klogctl(3, (char *)8, 1000), EFAULT);
	CHECK("clear", klogctl(5, NULL, 0) == 0 && klogctl(3, again, sizeof again) == 0);
	CHECK("the buffer's size", klogctl(10, NULL, 0) >= 65536);
	CHECK("console off and on", klogctl(6, NULL, 0) == 0 && klogctl(7, NULL, 0) == 0);
	CHECK_ERRNO("no level 0", klogctl(8, NULL, 0), EINVAL);
	CHECK_ERRNO("nor 9", klogctl(8, NULL, 9), EINVAL);
	CHECK("level 3", klogctl(8, NULL, 3) == 0);
	int p = open("/proc/sys/kernel/printk", O_RDWR);
	n = read(p, again, 100);
	CHECK("sysctl shows it", n > 0 && again[0] == '3' && again[1] == '\t');
	CHECK("and sets it", lseek(p, 0, SEEK_SET) == 0 && write(p, "6 4 1 7\n", 8) == 8 && lseek(p, 0, SEEK_SET) == 0 &&
				     read(p, again, 100) > 0 && again[0] == '6');
	CHECK_ERRNO("no such action", klogctl(11, NULL, 0), EINVAL);
	CHECK_ERRNO("nor this", klogctl(-1, NULL, 0), EINVAL);
	CHECK_ERRNO("no place", klogctl(3, NULL, 10), EINVAL);
	/* A reader waits for the next message. */
	pid_t kid = fork();
	if (kid == 0) {
		while (klogctl(9, NULL, 0) > 0) klogctl(2, again, sizeof again);
		_exit(klogctl(2, again, sizeof again) > 0 && strstr(again, "three") ? 0 : 1);
	}
	usleep(30000);
	write(fd, "three", 5);
	int st;
	CHECK("a reader waits for a message", waitpid(kid, &st, 0) == kid && st == 0);
	close(fd);
	close(p);
}

static void rebooting(void)
{
	CHECK_ERRNO("a wrong magic", syscall(SYS_reboot, 1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART, 0), EINVAL);
	CHECK_ERRNO("a wrong second", syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, 1, LINUX_REBOOT_CMD_RESTART, 0), EINVAL);
	CHECK_ERRNO("no such command", syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, 12345, 0), EINVAL);
	CHECK("ctrl-alt-del", syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2C, LINUX_REBOOT_CMD_CAD_OFF, 0) == 0);
}

static void hwprobe(void)
{
	struct pair { long long key; unsigned long long value; };
	struct pair p[] = {{3, 99}, {4, 99}, {5, 99}, {123456, 99}, {-7, 99}};
	unsigned long cpus = 1;
	CHECK("riscv_hwprobe", syscall(258, p, 5, 0, NULL, 0) == 0);
	CHECK("the base is IMA", p[0].key == 3 && (p[0].value & 1) == 1);
	CHECK("with F, D and C", p[1].key == 4 && (p[1].value & 3) == 3);
	CHECK("an unknown key becomes -1", p[3].key == -1 && p[3].value == 0);
	CHECK("a negative one too", p[4].key == -1);
	CHECK("of certain CPUs", syscall(258, p, 1, sizeof cpus, &cpus, 0) == 0);
	CHECK("of no pairs", syscall(258, NULL, 0, 0, NULL, 0) == 0);
	CHECK_ERRNO("unknown flags", syscall(258, p, 1, 0, NULL, 8), EINVAL);
	CHECK_ERRNO("nowhere", syscall(258, 8L, 1, 0, NULL, 0), EFAULT);
	CHECK("riscv_flush_icache", syscall(259, p, p + 1, 0) == 0);
	CHECK("of this thread only", syscall(259, p, p + 1, 1) == 0);
	CHECK_ERRNO("unknown flags there", syscall(259, p, p + 1, 2), EINVAL);
}

int main(void)
{
	names();
	clock_setting();
	messages();
	rebooting();
	hwprobe();
	return t_end();
}
