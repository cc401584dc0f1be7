/* TIOCCONS: what is written to /dev/console goes to a terminal instead. See ioctl_tty(2). */
#include "t.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master;

static int pty(int flags)
{
	master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	int fd = open(ptsname(master), flags | O_NOCTTY);
	CHECK(fd >= 0);
	return fd;
}

static const char *seen(void)
{
	static char text[64];
	ssize_t n = read(master, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	return text;
}

int main(void)
{
	int console = open("/dev/console", O_WRONLY | O_NOCTTY);
	CHECK(console >= 0);
	int s = pty(O_RDWR), first = master;
	int other = pty(O_RDWR), reader = pty(O_RDONLY);
	master = first;
	CHECK_ERRNO("needs a file open for writing", ioctl(reader, TIOCCONS), EBADF);
	CHECK("a terminal takes the console's output", ioctl(s, TIOCCONS) == 0);
	CHECK("which arrives", write(console, "to pty\n", 7) == 7 && strcmp(seen(), "to pty\r\n") == 0);
	CHECK_ERRNO("one at a time", ioctl(other, TIOCCONS), EBUSY);
	CHECK("it outlives its descriptor", close(s) == 0 && write(console, "on", 2) == 2 && strcmp(seen(), "on") == 0);
	CHECK("the console takes it back", ioctl(console, TIOCCONS) == 0);
	CHECK("and has it", write(console, "\n", 1) == 1 && *seen() == 0);
	CHECK("which may be done twice", ioctl(console, TIOCCONS) == 0);
	int s2 = pty(O_RDWR);
	CHECK(ioctl(s2, TIOCCONS) == 0 && close(master) == 0);
	CHECK("a terminal that is cut gives it back", write(console, "\n", 1) == 1);
	CHECK("and it can be taken again", ioctl(other, TIOCCONS) == 0);
	CHECK("only with privilege", STATUS_OF(
		if (setuid(1000) != 0) _exit(1);
		_exit(ioctl(console, TIOCCONS) == -1 && errno == EPERM ? 0 : 2)) == 0);
	CHECK(ioctl(console, TIOCCONS) == 0);
	CHECK_ERRNO("no terminal", ioctl(open("/dev/null", O_RDWR), TIOCCONS), ENOTTY);
	return t_end();
}
