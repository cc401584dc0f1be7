/* Programs that run and files that are written keep out of each other's way; so do seals and maps. */
#include "t.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(void)
{
	CHECK_ERRNO("writing a running program", open("/proc/self/exe", O_WRONLY), ETXTBSY);
	CHECK_ERRNO("truncating it", truncate("/proc/self/exe", 0), ETXTBSY);
	char name[] = "/tmp/busy.XXXXXX";
	int fd = mkstemp(name);
	fchmod(fd, 0755);
	char *args[] = {name, 0};
	CHECK("running what is being written", WEXITSTATUS(STATUS_OF(execv(name, args); _exit(errno))) == ETXTBSY);
	close(fd);
	CHECK("running what is no program", WEXITSTATUS(STATUS_OF(execv(name, args); _exit(errno))) == ENOEXEC);
	unlink(name);
	fd = memfd_create("m", MFD_ALLOW_SEALING);
	ftruncate(fd, 4096);
	char *p = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	char *q = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK("maps of a memfd", p != MAP_FAILED && q != MAP_FAILED);
	CHECK_ERRNO("sealing while it can be written through a map", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	munmap(q, 4096);
	CHECK("a private map is no obstacle", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	q = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK("a writable shared map of a sealed one", q == MAP_FAILED && errno == EPERM);
	q = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK("a private one", q != MAP_FAILED);
	return t_end();
}
