/* System V shared memory: shmget(2), shmop(2), shmctl(2). Keys are its own process id: others may run beside it. */
#include "t.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#define PAGE 4096
#define BAD ((void *)-1)

static key_t key;

static long nattch(int id)
{
	struct shmid_ds ds;
	return shmctl(id, IPC_STAT, &ds) < 0 ? -1 : (long)ds.shm_nattch;
}

static void get(void)
{
	int id = shmget(key, 3 * PAGE + 5, IPC_CREAT | IPC_EXCL | 0640);
	CHECK("a new segment", id >= 0);
	CHECK("the same key, the same segment", shmget(key, 0, 0) == id);
	CHECK("and with a size up to its own", shmget(key, 3 * PAGE + 5, IPC_CREAT) == id);
	CHECK_ERRNO("but not a larger one", shmget(key, 3 * PAGE + 6, 0), EINVAL);
	CHECK_ERRNO("IPC_EXCL", shmget(key, 1, IPC_CREAT | IPC_EXCL), EEXIST);
	CHECK_ERRNO("exists, not: too large", shmget(key, 9 * PAGE, IPC_CREAT | IPC_EXCL), EEXIST);
	CHECK_ERRNO("no such key", shmget(key ^ 0x40000000, 1, 0), ENOENT);
	CHECK_ERRNO("nothing", shmget(IPC_PRIVATE, 0, 0600), EINVAL);
	CHECK_ERRNO("more than can be", shmget(IPC_PRIVATE, (size_t)-1, 0600), EINVAL);

	struct shmid_ds ds;
	CHECK("IPC_STAT", shmctl(id, IPC_STAT, &ds) == 0);
	CHECK("size as asked for", ds.shm_segsz == 3 * PAGE + 5);
	CHECK("its key and mode", ds.shm_perm.__key == key && ds.shm_perm.mode == 0640);
	CHECK("owner and creator", ds.shm_perm.uid == geteuid() && ds.shm_perm.cgid == getegid());
	CHECK("made by this process", ds.shm_cpid == getpid() && ds.shm_lpid == 0);
	CHECK("never attached", ds.shm_nattch == 0 && ds.shm_atime == 0 && ds.shm_dtime == 0);
	CHECK("made now", ds.shm_ctime > 1000000000);
	CHECK("sequence and index make the identifier", ds.shm_perm.__seq == id / 32768);

	ds.shm_perm.mode = 07604;
	ds.shm_perm.uid = geteuid();
	CHECK("IPC_SET", shmctl(id, IPC_SET, &ds) == 0);
	CHECK("changes permission bits only", shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_perm.mode == 0604);
	ds.shm_perm.uid = -1;
	CHECK_ERRNO("no such user", shmctl(id, IPC_SET, &ds), EINVAL);
	CHECK_ERRNO("IPC_STAT to nowhere", shmctl(id, IPC_STAT, (void *)8), EFAULT);
	CHECK_ERRNO("IPC_SET from nowhere", syscall(SYS_shmctl, id, IPC_SET, 8), EFAULT);
	CHECK_ERRNO("no such command", syscall(SYS_shmctl, id, 99, &ds), EINVAL);
	CHECK_ERRNO("a negative command", syscall(SYS_shmctl, id, -1, &ds), EINVAL);
	CHECK_ERRNO("a negative identifier", shmctl(-1, IPC_STAT, &ds), EINVAL);
	CHECK_ERRNO("an identifier of another time", shmctl((id + 32768) & 0x7fffffff, IPC_STAT, &ds), EINVAL);
	CHECK("IPC_RMID", shmctl(id, IPC_RMID, NULL) == 0);
	CHECK_ERRNO("removed once", shmctl(id, IPC_RMID, NULL), EINVAL);
	CHECK_ERRNO("the key is free", shmget(key, 1, 0), ENOENT);
}

static void listing(void)
{
	struct shmid_ds ds;
	struct shminfo limits;
	struct shm_info use;
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	int found = 0;
	int top = shmctl(0, IPC_INFO, (void *)&limits);
	CHECK("IPC_INFO: an index", top >= id % 32768);
	CHECK("the least size", limits.shmmin == 1);
	CHECK("SHM_INFO: the same index or later", shmctl(0, SHM_INFO, (void *)&use) >= id % 32768);
	CHECK("counted", use.used_ids >= 1 && use.shm_tot >= 1);
	for (int i = 0; i <= top; i++) if (shmctl(i, SHM_STAT, &ds) == id) found++;
	CHECK("SHM_STAT finds it by its index", found == 1);
	CHECK("SHM_STAT_ANY too", shmctl(id % 32768, SHM_STAT_ANY, &ds) == id);
	CHECK_ERRNO("IPC_INFO to nowhere", shmctl(0, IPC_INFO, (void *)8), EFAULT);

	char line[512];
	FILE *f = fopen("/proc/sysvipc/shm", "r");
	CHECK("/proc/sysvipc/shm", f != NULL && fgets(line, sizeof line, f) != NULL);
	printf("%s", line);
	found = 0;
	while (fgets(line, sizeof line, f)) {
		int k, i, mode;
		unsigned long size;
		if (sscanf(line, "%d %d %o %lu", &k, &i, &mode, &size) == 4 && i == id) {
			found++;
			CHECK("its line", k == 0 && mode == 0600 && size == PAGE && strlen(line) == 170);
		}
	}
	fclose(f);
	CHECK("is there once", found == 1);
	shmctl(id, IPC_RMID, NULL);
}

static void attachments(void)
{
	struct shmid_ds ds;
	int id = shmget(IPC_PRIVATE, 2 * PAGE + 1, 0600);
	char *p = shmat(id, NULL, 0);
	CHECK("attached", p != BAD && (unsigned long)p % PAGE == 0);
	CHECK("zeroes", p[0] == 0 && p[3 * PAGE - 1] == 0);
	p[0] = 'a';
	p[3 * PAGE - 1] = 'z';
	char *q = shmat(id, NULL, SHM_RDONLY);
	CHECK("again elsewhere, the same bytes", q != BAD && q != p && q[0] == 'a' && q[3 * PAGE - 1] == 'z');
	CHECK("two attachments", nattch(id) == 2);
	t_catch(SIGSEGV);
	CHECK("read-only is read-only", SIGNAL_OF(*(volatile char *)q = 1) == SIGSEGV);
	CHECK_ERRNO("for mprotect too", mprotect(q, PAGE, PROT_READ | PROT_WRITE), EACCES);
	shmctl(id, IPC_STAT, &ds);
	CHECK("times and last process", ds.shm_atime > 1000000000 && ds.shm_dtime == 0 && ds.shm_lpid == getpid());

	CHECK_ERRNO("where something is", shmat(id, p, 0), EINVAL);
	CHECK_ERRNO("where it cannot be", shmat(id, p + 1, 0), EINVAL);
	CHECK_ERRNO("SHM_REMAP to no address", shmat(id, NULL, SHM_REMAP), EINVAL);
	CHECK_ERRNO("an address that rounds to none", shmat(id, (void *)1, SHM_RND | SHM_REMAP), EINVAL);
	CHECK_ERRNO("no such segment", shmat(-1, NULL, 0), EINVAL);
	char *hole = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	hole[5] = 'x';
	CHECK("SHM_REMAP takes the place", shmat(id, hole, SHM_REMAP) == hole && hole[0] == 'a' && hole[5] == 0);
	CHECK("which is an attachment", shmdt(hole) == 0 && nattch(id) == 2);
	CHECK("SHM_RND rounds down", shmat(id, hole + 77, SHM_RND) == hole && nattch(id) == 3);
	CHECK_ERRNO("shmdt of its middle", shmdt(hole + PAGE), EINVAL);
	CHECK_ERRNO("shmdt of no page", shmdt(hole + 1), EINVAL);
	CHECK("a part unmapped: two pieces", munmap(hole + PAGE, PAGE) == 0 && nattch(id) == 4);
	CHECK("shmdt ends both", shmdt(hole) == 0 && nattch(id) == 2);
	CHECK_ERRNO("and once", shmdt(hole), EINVAL);
	CHECK_ERRNO("not what mmap mapped", shmdt(hole + 4 * PAGE), EINVAL);

	CHECK("the head unmapped", shmat(id, hole, 0) == hole && munmap(hole, PAGE) == 0);
	CHECK("shmdt finds the rest by where it began", shmdt(hole) == 0 && nattch(id) == 2);
	char *moved = mremap(p, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole);
	CHECK("mremap moves an attachment", moved == hole && moved[0] == 'a' && nattch(id) == 2);
	CHECK("larger than the segment: no memory there",
	      (p = mremap(moved, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE)) != BAD && p[0] == 'a');
	t_catch(SIGBUS);
	CHECK("but a signal", SIGNAL_OF(p[3 * PAGE] = 1) == SIGBUS);

	int pid = fork();
	if (pid == 0) {
		p[1] = 'c';
		_exit(nattch(id) == 4 && shmdt(q) == 0 && nattch(id) == 3 ? 0 : 1);
	}
	int status;
	waitpid(pid, &status, 0);
	CHECK("a child inherits attachments", status == 0 && p[1] == 'c');
	CHECK("and takes them with it", nattch(id) == 2);
	shmctl(id, IPC_STAT, &ds);
	CHECK("as the last who did", ds.shm_lpid == pid && ds.shm_dtime > 1000000000);

	char line[300], want[100];
	int found = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	snprintf(want, sizeof want, " %d ", id);
	while (fgets(line, sizeof line, f))
		if (strstr(line, "/SYSV00000000 (deleted)\n") && strstr(line, want)) found++;
	fclose(f);
	CHECK("/proc/self/maps names them", found == 2);

	CHECK("IPC_RMID while attached", shmctl(id, IPC_RMID, NULL) == 0);
	CHECK("is still there", shmctl(id, IPC_STAT, &ds) == 0 && (ds.shm_perm.mode & SHM_DEST));
	CHECK("has no key", ds.shm_perm.__key == IPC_PRIVATE);
	char *r = shmat(id, NULL, 0);
	CHECK("can be attached", r != BAD && r[1] == 'c');
	CHECK("detached", shmdt(r) == 0 && shmdt(q) == 0 && p[1] == 'c');
	CHECK("the last one", shmdt(p) == 0);
	CHECK_ERRNO("takes it away", shmctl(id, IPC_STAT, &ds), EINVAL);
}

static void ends(char *self)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	char *p = shmat(id, NULL, 0);
	int pid = fork();
	if (pid == 0) {
		execl(self, self, "exec", NULL);
		_exit(1);
	}
	int status;
	waitpid(pid, &status, 0);
	CHECK("exec lets go of attachments", status == 0 && nattch(id) == 1);
	CHECK("a killed process too", STATUS_OF(shmat(id, NULL, 0), kill(getpid(), SIGKILL)) == SIGKILL && nattch(id) == 1);
	shmctl(id, IPC_RMID, NULL);
	CHECK("a removed one goes with its process",
	      STATUS_OF(int i = shmget(key, PAGE, IPC_CREAT | 0600); shmat(i, NULL, 0); shmctl(i, IPC_RMID, NULL)) == 0);
	CHECK_ERRNO("its key at once", shmget(key, 1, 0), ENOENT);
	shmdt(p);
	CHECK_ERRNO("gone", shmctl(id, IPC_RMID, NULL), EINVAL);
}

static void permissions(void)
{
	if (geteuid() != 0) return;
	int id = shmget(key, PAGE, IPC_CREAT | 0604);
	int status = STATUS_OF({
		struct shmid_ds ds;
		if (setresgid(1234, 1234, 1234) || setresuid(1234, 1234, 1234)) _exit(100);
		if (shmget(key, 0, 0400) != id) _exit(1);
		if (shmget(key, 0, 0600) != -1 || errno != EACCES) _exit(2);
		if (shmat(id, NULL, SHM_RDONLY) == BAD) _exit(3);
		if (shmat(id, NULL, 0) != BAD || errno != EACCES) _exit(4);
		if (shmat(id, NULL, SHM_RDONLY | SHM_EXEC) != BAD || errno != EACCES) _exit(5);
		if (shmctl(id, IPC_STAT, &ds)) _exit(6);
		if (shmctl(id, IPC_SET, &ds) != -1 || errno != EPERM) _exit(7);
		if (shmctl(id, IPC_RMID, NULL) != -1 || errno != EPERM) _exit(8);
		if (shmctl(id, SHM_LOCK, NULL) != -1 || errno != EPERM) _exit(9);
	});
	CHECK("others may what the mode says", status == 0);
	struct shmid_ds ds;
	shmctl(id, IPC_STAT, &ds);
	ds.shm_perm.mode = 0;
	shmctl(id, IPC_SET, &ds);
	status = STATUS_OF({
		if (setresgid(1234, 1234, 1234) || setresuid(1234, 1234, 1234)) _exit(100);
		if (shmctl(id, IPC_STAT, &ds) != -1 || errno != EACCES) _exit(1);
		if (shmctl(id % 32768, SHM_STAT, &ds) != -1 || errno != EACCES) _exit(2);
		if (shmctl(id % 32768, SHM_STAT_ANY, &ds) != id) _exit(3);
		if (shmget(key, 0, 0) != id) _exit(4);
	});
	CHECK("or not", status == 0);
	CHECK("root may", shmat(id, NULL, 0) != BAD);
	ds.shm_perm.uid = 1234;
	ds.shm_perm.mode = 0600;
	CHECK("given away", shmctl(id, IPC_SET, &ds) == 0);
	status = STATUS_OF({
		struct rlimit none = {0, 0};
		if (setresgid(1234, 1234, 1234) || setresuid(1234, 1234, 1234)) _exit(100);
		if (shmat(id, NULL, 0) == BAD) _exit(1);
		if (shmctl(id, SHM_LOCK, NULL) || shmctl(id, IPC_STAT, &ds) || !(ds.shm_perm.mode & SHM_LOCKED)) _exit(2);
		if (shmctl(id, SHM_UNLOCK, NULL) || shmctl(id, IPC_STAT, &ds) || (ds.shm_perm.mode & SHM_LOCKED)) _exit(3);
		setrlimit(RLIMIT_MEMLOCK, &none);
		if (shmctl(id, SHM_LOCK, NULL) != -1 || errno != EPERM) _exit(4);
		if (shmctl(id, IPC_RMID, NULL)) _exit(5);
	});
	CHECK("the owner may all", status == 0);
	shmctl(id, IPC_RMID, NULL);
}

int main(int argc, char **argv)
{
	if (argc > 1) return 0;
	key = 0x5600000 + getpid() * 4;
	get();
	listing();
	attachments();
	ends(argv[0]);
	permissions();
	return t_end();
}
