/* What /proc/net/tcp says of sockets that we know. */
#include "inet.h"
#include <sys/stat.h>

/* The line of the socket with these ports, as the program wants to see it; 0: there is none. */
static int line_of(const char *file, int lport, int fport, char *out, unsigned long *inode)
{
	char line[512];
	FILE *f = fopen(file, "r");
	CHECK(f != NULL);
	CHECK(fgets(line, sizeof line, f) != NULL);
	int found = 0;
	while (!found && fgets(line, sizeof line, f)) {
		char la[64], fa[64];
		unsigned sl, lp, fp, state, tx, rx, tr, uid, timeout;
		unsigned long when, retr, ino;
		int n = sscanf(line, "%u: %63[0-9A-F]:%x %63[0-9A-F]:%x %x %x:%x %x:%lx %lx %u %u %lu", &sl, la, &lp, fa, &fp, &state,
			       &tx, &rx, &tr, &when, &retr, &uid, &timeout, &ino);
		if (n != 14 || (int)lp != lport || (fport >= 0 && (int)fp != fport)) continue;
		found = 1;
		*inode = ino;
		sprintf(out, "%s %s state %X tx %u rx %u timer %u uid %d timeout %u", la, fa, state, tx, rx, tr, uid == getuid(), timeout);
	}
	fclose(f);
	return found;
}

static unsigned long inode_of(int fd)
{
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	return st.st_ino;
}

static void show(const char *what, const char *file, int lport, int fport, int fd)
{
	char text[300] = "";
	unsigned long inode = 1;
	int found = line_of(file, lport, fport, text, &inode);
	printf("%s: %d %s inode %d\n", what, found, text, fd < 0 ? inode == 0 : inode == inode_of(fd));
}

int main(void)
{
	char line[512], b[8];
	FILE *f = fopen("/proc/net/tcp", "r");
	CHECK(f && fgets(line, sizeof line, f));
	printf("[%s]\n", strtok(line, "\n"));
	fclose(f);
	int l = listener4(5), port = port_of(l);
	show("a listener", "/proc/net/tcp", port, 0, l);
	int c = connect4(port), mine = port_of(c);
	show("with one who waits", "/proc/net/tcp", port, 0, l);
	show("the caller", "/proc/net/tcp", mine, port, c);
	show("not accepted yet", "/proc/net/tcp", port, mine, -1);
	int s = accept(l, NULL, NULL);
	CHECK(write(c, "12345", 5) == 5);
	await(s, POLLIN);
	show("with bytes to read", "/proc/net/tcp", port, mine, s);
	CHECK(read(s, b, 8) == 5);
	close(c);
	CHECK(read(s, b, 8) == 0);
	show("closed by the caller", "/proc/net/tcp", port, mine, s);
	close(s);
	show("TIME-WAIT", "/proc/net/tcp", mine, port, -1);
	show("and nothing", "/proc/net/tcp", port, mine, -1);
	close(l);
	s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = at4(0);
	CHECK(bind(s, (sa *)&a, sizeof a) == 0);
	show("only bound", "/proc/net/tcp", port_of(s), 0, s);
	close(s);
	return t_end();
}
