/* System V shared memory: keys, permissions, attaching, what fork and exit do, destruction with the last map. */
#include "t.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

static struct shmid_ds ds;

static long attached(int id)
{
	return shmctl(id, IPC_STAT, &ds) < 0 ? -1 : (long)ds.shm_nattch;
}

static void keys(void)
{
	key_t key = 0x76000000 + getpid();
	CHECK_ERRNO("no segment of that key", shmget(key, 4096, 0600), ENOENT);
	CHECK_ERRNO("of no size", shmget(key, 0, IPC_CREAT | 0600), EINVAL);
	int id = shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0640);
	CHECK("made", id >= 0);
	CHECK("found again", shmget(key, 0, 0) == id && shmget(key, 10000, IPC_CREAT | 0600) == id);
	CHECK_ERRNO("exclusively", shmget(key, 10, IPC_CREAT | IPC_EXCL), EEXIST);
	CHECK_ERRNO("larger than it is", shmget(key, 10001, 0), EINVAL);
	CHECK("status", shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_segsz == 10000 && ds.shm_perm.mode == 0640 &&
	      ds.shm_perm.__key == key && ds.shm_cpid == getpid() && ds.shm_lpid == 0 && ds.shm_nattch == 0 &&
	      ds.shm_atime == 0 && ds.shm_ctime != 0 && ds.shm_perm.uid == geteuid());
	ds.shm_perm.mode = 0604;
	CHECK("permissions changed", shmctl(id, IPC_SET, &ds) == 0 && shmctl(id, IPC_STAT, &ds) == 0 &&
	      ds.shm_perm.mode == 0604);
	CHECK_ERRNO("status to nowhere", syscall(SYS_shmctl, id, IPC_STAT, (void *)8), EFAULT);
	CHECK_ERRNO("an unknown command", shmctl(id, 99, &ds), EINVAL);
	CHECK_ERRNO("a negative command", shmctl(id, -1, &ds), EINVAL);
	CHECK("removed", shmctl(id, IPC_RMID, 0) == 0);
	CHECK_ERRNO("the key is free", shmget(key, 1, 0600), ENOENT);
	CHECK_ERRNO("the identifier is void", shmctl(id, IPC_STAT, &ds), EINVAL);
	CHECK_ERRNO("and a negative one", shmat(-1, 0, 0), EINVAL);
	int next = shmget(IPC_PRIVATE, 1, 0600);
	CHECK("identifiers come back late", next >= 0 && next != id);
	CHECK("a private one has no key", shmctl(next, IPC_STAT, &ds) == 0 && ds.shm_perm.__key == 0);
	shmctl(next, IPC_RMID, 0);
}

static void attaching(void)
{
	int id = shmget(IPC_PRIVATE, 3 * 4096 - 100, 0600);
	char *p = shmat(id, 0, 0);
	CHECK("attached", p != (void *)-1 && attached(id) == 1 && ds.shm_lpid == getpid() && ds.shm_atime != 0);
	CHECK("zeroes", p[0] == 0 && p[3 * 4096 - 1] == 0);
	char *q = shmat(id, 0, SHM_RDONLY);
	strcpy(p + 5000, "shared");
	CHECK("a second time, to be read", q != p && strcmp(q + 5000, "shared") == 0 && attached(id) == 2);
	t_catch(SIGSEGV);
	CHECK("not to be written", SIGNAL_OF(q[0] = 1) == SIGSEGV);
	CHECK_ERRNO("nor after mprotect", mprotect(q, 4096, PROT_READ | PROT_WRITE), EACCES);
	CHECK_ERRNO("not over something", shmat(id, p, 0), EINVAL);
	CHECK_ERRNO("nor unaligned", shmat(id, q + 1, SHM_REMAP), EINVAL);
	CHECK_ERRNO("nor remapped to nowhere", shmat(id, 0, SHM_REMAP), EINVAL);
	CHECK("but over something with SHM_REMAP", shmat(id, p + 1, SHM_REMAP | SHM_RND) == p && attached(id) == 2);
	CHECK_ERRNO("detached at an address inside", shmdt(p + 4096), EINVAL);
	CHECK_ERRNO("or unaligned", shmdt(p + 1), EINVAL);
	CHECK("detached", shmdt(q) == 0 && attached(id) == 1 && ds.shm_dtime != 0);
	CHECK_ERRNO("twice", shmdt(q), EINVAL);

	CHECK("a hole makes two maps of it", munmap(p + 4096, 4096) == 0 && attached(id) == 2);
	char *in = mmap(p + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK("both are detached", in == p + 4096 && shmdt(p) == 0 && attached(id) == 0);
	CHECK("but not what is between", in[0] == 0 && SIGNAL_OF(p[0] = 1) == SIGSEGV);
	munmap(in, 4096);

	p = shmat(id, 0, 0);
	CHECK("contents stay without maps", strcmp(p + 5000, "shared") == 0);
	CHECK("without its first page", munmap(p, 4096) == 0 && shmdt(p) == 0 && attached(id) == 0);
	CHECK("removed", shmctl(id, IPC_RMID, 0) == 0);
}

static void lives(void)
{
	int id = shmget(IPC_PRIVATE, 8192, 0600), fds[2];
	char *p = shmat(id, 0, 0), c;
	CHECK("pipe", pipe(fds) == 0);
	int status = STATUS_OF({
		p[0] = 'c';
		if (attached(id) != 2) _exit(1);
		if (write(fds[1], "x", 1) != 1) _exit(2);
	});
	CHECK("a child has it too", status == 0 && read(fds[0], &c, 1) == 1 && p[0] == 'c');
	CHECK("until it ends", attached(id) == 1 && ds.shm_nattch == 1);
	status = STATUS_OF({ execl("/proc/self/exe", "shm", "exec", (char *)0); _exit(1); });
	CHECK("or executes something", status == 0 && attached(id) == 1);
	CHECK("destroyed while in use", shmctl(id, IPC_RMID, 0) == 0 && p[0] == 'c' && attached(id) == 1);
	CHECK("it is marked, and without a key", (ds.shm_perm.mode & 01000) && ds.shm_perm.__key == 0);
	char *q = shmat(id, 0, 0);
	CHECK("and can be attached still", q != (void *)-1 && q[0] == 'c' && shmdt(q) == 0);
	CHECK("it goes with the last map", shmdt(p) == 0 && attached(id) == -1 && errno == EINVAL);
}

static void others(void)
{
	if (geteuid() != 0) return;
	int id = shmget(IPC_PRIVATE, 4096, 0604);
	int status = STATUS_OF({
		if (setgid(12345) || setuid(12345)) _exit(9);
		errno = 0;
		if (shmat(id, 0, SHM_RDONLY) == (void *)-1) _exit(1);
		if (shmat(id, 0, 0) != (void *)-1 || errno != EACCES) _exit(2);
		if (shmctl(id, IPC_RMID, 0) != -1 || errno != EPERM) _exit(3);
		if (shmctl(id, IPC_STAT, &ds) != 0) _exit(4);
		if (shmctl(id, IPC_SET, &ds) != -1 || errno != EPERM) _exit(5);
		if (shmctl(id, SHM_LOCK, 0) != -1 || errno != EPERM) _exit(6);
	});
	CHECK("others read, and no more", status == 0);
	ds.shm_perm.mode = 0600;
	ds.shm_perm.uid = ds.shm_perm.gid = 0;
	CHECK("closed to them", shmctl(id, IPC_SET, &ds) == 0);
	status = STATUS_OF({
		if (setgid(12345) || setuid(12345)) _exit(9);
		if (shmat(id, 0, SHM_RDONLY) != (void *)-1 || errno != EACCES) _exit(1);
		if (shmctl(id, IPC_STAT, &ds) != -1 || errno != EACCES) _exit(2);
	});
	CHECK("they read nothing", status == 0);
	CHECK("locked", shmctl(id, SHM_LOCK, 0) == 0 && shmctl(id, IPC_STAT, &ds) == 0 && (ds.shm_perm.mode & 02000));
	CHECK("unlocked", shmctl(id, SHM_UNLOCK, 0) == 0 && shmctl(id, IPC_STAT, &ds) == 0 && !(ds.shm_perm.mode & 02000));
	CHECK("removed", shmctl(id, IPC_RMID, 0) == 0);
}

static void tells(void)
{
	int id = shmget(IPC_PRIVATE, 5000, 0600), seen = 0;
	char *p = shmat(id, 0, 0), line[512];
	p[0] = 1;
	struct shminfo limits;
	CHECK("limits", shmctl(0, IPC_INFO, (void *)&limits) >= 0 && limits.shmmin == 1 && limits.shmmni == 4096);
	struct shm_info use;
	int top = shmctl(0, SHM_INFO, (void *)&use);
	CHECK("use", top >= 0 && use.used_ids >= 1 && use.shm_tot >= 2 && use.shm_rss >= 1);
	for (int i = 0; i <= top; i++) seen |= shmctl(i, SHM_STAT, &ds) == id && ds.shm_segsz == 5000;
	CHECK("by its index", seen);
	FILE *f = fopen("/proc/sysvipc/shm", "r");
	int rows = 0;
	while (f && fgets(line, sizeof line, f)) {
		unsigned long bytes, count;
		int at, mode, cpid, lpid;
		if (sscanf(line, "%*d %d %o %lu %d %d %lu", &at, &mode, &bytes, &cpid, &lpid, &count) == 6 && at == id)
			rows += mode == 0600 && bytes == 5000 && cpid == getpid() && count == 1;
	}
	CHECK("in /proc/sysvipc/shm", f && rows == 1);
	if (f) fclose(f);
	seen = 0;
	f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof line, f)) seen += strstr(line, "/SYSV00000000 (deleted)") != NULL;
	CHECK("in /proc/self/maps", seen == 1);
	if (f) fclose(f);
	shmdt(p);
	shmctl(id, IPC_RMID, 0);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) return 0;
	if (shmget(IPC_PRIVATE, 0, 0) < 0 && errno == ENOSYS) return T_NOT_HERE;
	keys();
	attaching();
	lives();
	others();
	tells();
	return t_end();
}
