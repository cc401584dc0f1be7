/* Robust lists, by hand: futexes of one who died are marked, in shared memory too. See get_robust_list(2). */
#include "t.h"

#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct lock {
	struct robust_list list;
	uint32_t word;
};

static void *dies(void *arg)
{
	struct lock *l = arg;
	static struct robust_list_head head;
	head.list.next = &l[0].list;
	l[0].list.next = &l[1].list;
	l[1].list.next = &head.list;
	head.futex_offset = offsetof(struct lock, word) - offsetof(struct lock, list);
	head.list_op_pending = &l[2].list;
	uint32_t tid = syscall(SYS_gettid);
	syscall(SYS_set_robust_list, &head, sizeof head);
	l[0].word = tid;
	l[1].word = tid | FUTEX_WAITERS;
	l[2].word = tid;
	l[3].word = tid;
	syscall(SYS_exit, 0);
	return NULL;
}

int main(void)
{
	struct lock *l = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) dies(l);
	int st;
	waitpid(p, &st, 0);
	CHECK("a lock whose owner died is marked", l[0].word == FUTEX_OWNER_DIED);
	CHECK("and keeps that there are waiters", l[1].word == (FUTEX_OWNER_DIED | FUTEX_WAITERS));
	CHECK("the pending one too", l[2].word == FUTEX_OWNER_DIED);
	CHECK("one not on the list is not", l[3].word == (uint32_t)p);
	CHECK_ERRNO("a list of another size", syscall(SYS_set_robust_list, l, 8), EINVAL);
	struct robust_list_head *head;
	size_t size;
	CHECK("get_robust_list", syscall(SYS_get_robust_list, 0, &head, &size) == 0 && size == 24);
	CHECK_ERRNO("of nobody", syscall(SYS_get_robust_list, 99999999, &head, &size), ESRCH);
	p = fork();
	if (p == 0) {
		static struct robust_list_head loop;
		loop.list.next = &l[0].list;
		l[0].list.next = &l[0].list;
		syscall(SYS_set_robust_list, &loop, sizeof loop);
		syscall(SYS_exit, 3);
	}
	CHECK("a list without end ends", waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 3);
	p = fork();
	if (p == 0) {
		static struct robust_list_head wild;
		wild.list.next = (void *)0x1234567890L;
		syscall(SYS_set_robust_list, &wild, sizeof wild);
		syscall(SYS_exit, 4);
	}
	CHECK("a wild one too", waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 4);
	return t_end();
}
