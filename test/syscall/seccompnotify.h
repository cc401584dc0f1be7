/* A seccomp filter that hands one call to a listener and allows all others. See seccomp_unotify(2). */
#ifndef SECCOMPNOTIFY_H
#define SECCOMPNOTIFY_H
#include "t.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

/* The listener, or -1. */
static long notify_of(unsigned nr, unsigned flags)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof f / sizeof *f, f};
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}
#endif
