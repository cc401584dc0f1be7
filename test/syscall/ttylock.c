/* Locked attributes of a terminal: TIOCSLCKTRMIOS. */
#include "t.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

/* The kernel's struct termios, which is not the C library's. */
struct ktermios {
	unsigned iflag, oflag, cflag, lflag;
	unsigned char line, cc[19];
};

int main(void)
{
	int m, t;
	struct ktermios k, was, now;
	CHECK(openpty(&m, &t, NULL, NULL, NULL) == 0);
	memset(&k, 1, sizeof k);
	CHECK("nothing is locked at first", ioctl(t, TIOCGLCKTRMIOS, &k) == 0 && k.iflag == 0 && k.cflag == 0 && k.cc[18] == 0);
	memset(&k, 0, sizeof k);
	k.lflag = ECHO;
	k.cc[VINTR] = 1;
	if (ioctl(t, TIOCSLCKTRMIOS, &k) && errno == EPERM) return T_NOT_HERE;
	CHECK("locks show", ioctl(t, TIOCGLCKTRMIOS, &now) == 0 && now.lflag == ECHO && now.cc[VINTR] == 1 && now.oflag == 0);
	CHECK("through the master too", ioctl(m, TIOCGLCKTRMIOS, &now) == 0 && now.lflag == ECHO);
	CHECK(ioctl(t, TCGETS, &was) == 0);
	now = was;
	now.lflag &= ~(ECHO | ICANON);
	now.cc[VINTR] = 9;
	now.cc[VQUIT] = 9;
	CHECK("what is locked is kept in silence", ioctl(t, TCSETS, &now) == 0 && ioctl(t, TCGETS, &now) == 0 && now.lflag & ECHO && now.cc[VINTR] == was.cc[VINTR]);
	CHECK("and the rest set", !(now.lflag & ICANON) && now.cc[VQUIT] == 9);
	CHECK_ERRNO("from nowhere", ioctl(t, TIOCSLCKTRMIOS, (void *)8), EFAULT);
	memset(&k, 0, sizeof k);
	CHECK("unlocked", ioctl(t, TIOCSLCKTRMIOS, &k) == 0);
	now.lflag &= ~ECHO;
	CHECK("it can be set", ioctl(t, TCSETS, &now) == 0 && ioctl(t, TCGETS, &now) == 0 && !(now.lflag & ECHO));
	if (geteuid() == 0) {
		CHECK("not by anyone", STATUS_OF({
			if (setuid(65534)) _exit(2);
			_exit(!(ioctl(t, TIOCSLCKTRMIOS, &k) == -1 && errno == EPERM));
		}) == 0);
	}
	return t_end();
}
