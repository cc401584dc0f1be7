/*
 * Control files that are open while their controller is taken from the group: nothing is left to read, write or wait
 * for. For the guest alone: who runs the tests seldom rules over his host's groups.
 */
#include "cg.h"
#include <poll.h>

static const char *const FILES[] = {
	"cpu.weight", "cpu.weight.nice", "cpu.max", "cpu.max.burst", "cpu.idle", "cpuset.cpus", "cpuset.mems", "cpuset.cpus.effective",
	"cpuset.cpus.partition", "io.max", "io.stat", "memory.current", "memory.peak", "memory.min", "memory.low", "memory.high",
	"memory.max", "memory.oom.group", "memory.reclaim", "memory.stat", "memory.events", "memory.events.local", "pids.max",
	"pids.current", "pids.peak", "pids.events", "pids.events.local",
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

int main(void)
{
	int fds[COUNT(FILES)];
	char text[8192];
	if (!cg_begin()) return T_NOT_HERE;
	CHECK(cg_write("../cgroup.subtree_control", "+cpu +cpuset +io +memory +pids") == 0);
	CHECK(cg_write("cgroup.subtree_control", "+cpu +cpuset +io +memory +pids") == 0);
	CHECK(mkdir(cg_path("a"), 0755) == 0);
	for (unsigned i = 0; i < COUNT(FILES); i++) {
		snprintf(text, sizeof text, "a/%s", FILES[i]);
		fds[i] = open(cg_path(text), O_RDWR);
		if (fds[i] < 0) fds[i] = open(cg_path(text), O_RDONLY);
		CHECK(fds[i] >= 0);
	}
	CHECK(cg_write("cgroup.subtree_control", "-cpu -cpuset -io -memory -pids") == 0);
	int gone = 0;
	for (unsigned i = 0; i < COUNT(FILES); i++) {
		if (pread(fds[i], text, sizeof text, 0) == -1 && errno == ENODEV) gone++;
		else printf("%s can be read\n", FILES[i]);
		if (write(fds[i], "1", 1) != -1) printf("%s can be written\n", FILES[i]);
		struct pollfd p = {.fd = fds[i], .events = POLLPRI};
		if (poll(&p, 1, 0) != 1 || !(p.revents & POLLERR)) printf("%s does not tell\n", FILES[i]);
	}
	CHECK("all are gone", gone == COUNT(FILES));
	/* And back again. */
	CHECK(cg_write("cgroup.subtree_control", "+cpu +cpuset +io +memory +pids") == 0);
	CHECK(pread(fds[0], text, sizeof text, 0) > 0);
	for (unsigned i = 0; i < COUNT(FILES); i++) close(fds[i]);
	CHECK(rmdir(cg_path("a")) == 0);
	CHECK(rmdir(cg_root) == 0);
	return t_end();
}
