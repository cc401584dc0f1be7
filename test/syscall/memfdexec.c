/* Files of memfd_create(2) that cannot be run: MFD_NOEXEC_SEAL, F_SEAL_EXEC. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "t.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8
#define MFD_EXEC 16
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

static int mode(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
}

int main(void)
{
	int fd = memfd_create("none", MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) return T_NOT_HERE;
	CHECK("it cannot be run", fd >= 0 && mode(fd) == 0666);
	CHECK("nor will it ever be: that is sealed, and seals may be added", fcntl(fd, F_GET_SEALS) == F_SEAL_EXEC);
	CHECK_ERRNO("chmod does not change that", fchmod(fd, 0755), EPERM);
	CHECK("but what else it changes", fchmod(fd, 0600) == 0 && mode(fd) == 0600);
	CHECK("further seals", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0 &&
	      fcntl(fd, F_GET_SEALS) == (F_SEAL_EXEC | F_SEAL_GROW));
	close(fd);
	fd = memfd_create("exec", MFD_EXEC | MFD_ALLOW_SEALING);
	CHECK("it can be run", fd >= 0 && mode(fd) == 0777);
	CHECK("what can be run, and is sealed so, is not to be written", fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC) == 0 &&
	      fcntl(fd, F_GET_SEALS) == (F_SEAL_EXEC | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
	CHECK_ERRNO("nor to lose that", fchmod(fd, 0666), EPERM);
	CHECK_ERRNO("one or the other", memfd_create("both", MFD_EXEC | MFD_NOEXEC_SEAL), EINVAL);
	return t_failed != 0;
}
