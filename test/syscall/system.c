/* The system as a whole: names, memory, random numbers, barriers, and what not everybody may do. */
#include "t.h"

#include <linux/membarrier.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>

static void names(void)
{
	struct utsname u;
	char host[256];
	CHECK("uname", uname(&u) == 0 && strcmp(u.sysname, "Linux") == 0);
	CHECK("gethostname agrees", gethostname(host, sizeof host) == 0 && strcmp(host, u.nodename) == 0);
	CHECK("a release that programs understand", u.release[0] >= '3' && u.release[0] <= '9');
	CHECK_ERRNO("uname nowhere", syscall(SYS_uname, 8L), EFAULT);
	CHECK("who may not name the host is told",
	      STATUS_OF(if (getuid() == 0 && setuid(65534) != 0) _exit(9);
			if (sethostname("x", 1) != -1 || errno != EPERM) _exit(1);
			if (setdomainname("x", 1) != -1 || errno != EPERM) _exit(2)) == 0);
}

static void memory(void)
{
	struct sysinfo s;
	struct timespec t;
	CHECK("sysinfo", sysinfo(&s) == 0);
	clock_gettime(CLOCK_BOOTTIME, &t);
	CHECK("uptime", labs(s.uptime - t.tv_sec) <= 2);
	CHECK("memory", s.totalram > 0 && s.freeram > 0 && s.freeram < s.totalram && s.mem_unit >= 1);
	CHECK("processes", s.procs >= 1);
	CHECK_ERRNO("sysinfo nowhere", syscall(SYS_sysinfo, 8L), EFAULT);
	CHECK("sysconf agrees", (unsigned long)sysconf(_SC_PHYS_PAGES) * getpagesize() <= s.totalram * s.mem_unit);
	CHECK("processors", get_nprocs() >= 1);
}

static void randomness(void)
{
	static unsigned char a[1 << 16], b[1 << 16];
	CHECK("getrandom", getrandom(a, 64, 0) == 64 && getrandom(b, 64, 0) == 64 && memcmp(a, b, 64) != 0);
	CHECK("without waiting", getrandom(a, 16, GRND_NONBLOCK) == 16);
	CHECK("the better pool", getrandom(a, 16, GRND_RANDOM) == 16);
	CHECK("the worse one", getrandom(a, 16, GRND_INSECURE) == 16);
	CHECK_ERRNO("not both", getrandom(a, 16, GRND_RANDOM | GRND_INSECURE), EINVAL);
	CHECK_ERRNO("unknown flags", getrandom(a, 16, 8), EINVAL);
	CHECK_ERRNO("nowhere", syscall(SYS_getrandom, 8L, 16, 0), EFAULT);
	CHECK("nothing", getrandom(a, 0, 0) == 0);
	CHECK("much", getrandom(a, sizeof a, 0) == sizeof a && getrandom(b, sizeof b, 0) == sizeof b);
	int bits = 0;
	for (unsigned i = 0; i < sizeof a; i++) bits += __builtin_popcount(a[i]);
	CHECK("half the bits are set", bits > 8 * 32768 * 0.98 && bits < 8 * 32768 * 1.02);
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(m + 4096, 4096);
	CHECK("as far as there is memory", getrandom(m, 8192, 0) == 4096);
	munmap(m, 4096);
}

static void barriers(void)
{
	long all = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	long needed = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
		      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
		      MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
	CHECK("membarrier can", (all & needed) == needed);
	CHECK("a barrier for all", syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0);
	CHECK_ERRNO("a private one must be announced", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0),
		    EPERM);
	CHECK("announced", syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
	CHECK("then done", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
	CHECK_ERRNO("one for the instructions apart",
		    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0), EPERM);
	CHECK("a child is announced too",
	      STATUS_OF(_exit(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)) == 0);
	CHECK_ERRNO("sequences, too, must be announced",
		    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0), EPERM);
	CHECK("announced", syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0);
	CHECK("then begun again", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0);
	CHECK("on one CPU", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 0) == 0);
	CHECK("or on none", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 9999) == 0);
	CHECK_ERRNO("for others there is no such flag",
		    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_FLAG_CPU, 0), EINVAL);
	CHECK("what was announced is remembered",
	      (syscall(SYS_membarrier, 1 << 9, 0, 0) & 0x150) == 0x110);
	CHECK("global expedited", syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0);
	CHECK_ERRNO("unknown command", syscall(SYS_membarrier, 1 << 20, 0, 0), EINVAL);
	CHECK_ERRNO("two at a time", syscall(SYS_membarrier, 24, 0, 0), EINVAL);
	CHECK_ERRNO("unknown flags", syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 2, 0), EINVAL);
}

static void forbidden(void)
{
	CHECK("who may not reboot is told, whatever he says",
	      STATUS_OF(if (getuid() == 0 && setuid(65534) != 0) _exit(9);
			if (reboot(RB_AUTOBOOT) != -1 || errno != EPERM) _exit(1);
			if (syscall(SYS_reboot, 1, 2, 3, 0) != -1 || errno != EPERM) _exit(2)) == 0);
	CHECK("who may not clear the messages is told",
	      STATUS_OF(if (getuid() == 0 && setuid(65534) != 0) _exit(9);
			if (klogctl(5, NULL, 0) != -1 || errno != EPERM) _exit(1);
			if (klogctl(8, NULL, 4) != -1 || errno != EPERM) _exit(2);
			if (klogctl(2, NULL, 4) != -1 || errno != EPERM) _exit(3)) == 0);
	CHECK_ERRNO("no such call", syscall(4000), ENOSYS);
	CHECK_ERRNO("nor this", syscall(-1L), ENOSYS);
}

int main(void)
{
	names();
	memory();
	randomness();
	barriers();
	forbidden();
	return t_end();
}
