/*
 * User time is what the program ran, system time what the kernel ran for it, however they mix. See getrusage(2).
 * For the guest alone: a Linux that counts by ticks does not know it so well.
 */
#include "t.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static volatile uint64_t sink;

static void compute(int rounds)
{
	uint64_t x = sink | 1;
	for (int i = 0; i < rounds; i++) {
		/* Much work and few jumps, then few and many. */
		for (int k = 0; k < 4; k++) x = x * 6364136223846793005u + 1442695040888963407u, x ^= x >> 29;
		if (x & 8) x += 3;
	}
	sink = x;
}

static double seconds(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

/* Runs `step` for a while; the part of the time used that was user time, in percent. */
static int user_percent(void (*step)(void))
{
	struct rusage before, now;
	double user, sys;
	getrusage(RUSAGE_SELF, &before);
	do {
		for (int i = 0; i < 20; i++) step();
		getrusage(RUSAGE_SELF, &now);
		user = seconds(now.ru_utime) - seconds(before.ru_utime);
		sys = seconds(now.ru_stime) - seconds(before.ru_stime);
	} while (user + sys < 0.15);
	return (int)(100 * user / (user + sys));
}

/* On a busy host whole slices are lost to others, on either side: what is so must be so once in a while. */
static int once(void (*step)(void), int low, int high)
{
	for (int i = 0; i < 10; i++) {
		int percent = user_percent(step);
		if (percent > low && percent < high) return 1;
	}
	return 0;
}

static int zero;
static char *buffer;

static void only_compute(void) { compute(20000); }
static void compute_and_call(void) { compute(3000); syscall(SYS_getppid); }
static void compute_and_read(void) { read(zero, buffer, 4096); compute(8000); }
static void only_read(void) { read(zero, buffer, 1 << 20); }
static void only_fault(void)
{
	madvise(buffer, 1 << 20, MADV_DONTNEED);
	for (int i = 0; i < 1 << 20; i += 4096) buffer[i] = 1;
}

int main(void)
{
	zero = open("/dev/zero", O_RDONLY);
	buffer = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(zero >= 0 && buffer != MAP_FAILED);
	memset(buffer, 1, 1 << 20);
	CHECK("a program that computes", once(only_compute, 80, 101));
	CHECK("and calls the kernel now and then", once(compute_and_call, 70, 101));
	CHECK("and reads", once(compute_and_read, 60, 101));
	CHECK("a program that lets the kernel work", once(only_read, -1, 40));
	CHECK("or has its pages made", once(only_fault, -1, 85));
	CHECK("and one that computes again", once(only_compute, 80, 101));
	return t_end();
}
