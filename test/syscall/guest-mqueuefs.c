/* The mqueue file system, mounted: queues as files. In a guest only, for it mounts. */
#include "t.h"

#include <dirent.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sys/mount.h>
#include <sys/stat.h>

static int count(const char *want)
{
	DIR *d = opendir("/tmp/mq");
	int n = 0;
	for (struct dirent *e; (e = readdir(d)); ) n += strcmp(e->d_name, want) == 0;
	closedir(d);
	return n;
}

int main(void)
{
	char line[100] = "";
	mkdir("/tmp/mq", 0755);
	mqd_t q = mq_open("/before", O_CREAT | O_RDWR, 0640, NULL);
	CHECK("mounted", mount("none", "/tmp/mq", "mqueue", 0, NULL) == 0);
	CHECK("the queues that are", count("before") == 1);
	mq_send(q, "hello", 5, 0);
	int fd = open("/tmp/mq/before", O_RDONLY);
	CHECK("read as text", read(fd, line, 99) > 0 && strncmp(line, "QSIZE:5 ", 8) == 0);
	CHECK("which is a queue", mq_receive(fd, (char[8192]){0}, 8192, NULL) == 5);
	close(fd);
	CHECK("chmod", chmod("/tmp/mq/before", 0600) == 0);
	fd = open("/tmp/mq/made", O_CREAT | O_RDWR, 0600);
	struct mq_attr a;
	CHECK("made as a file", fd >= 0 && mq_getattr(fd, &a) == 0 && a.mq_maxmsg == 10 && a.mq_msgsize == 8192);
	close(fd);
	CHECK("opened as a queue", (fd = mq_open("/made", O_RDWR)) >= 0 && mq_send(fd, "x", 1, 0) == 0);
	CHECK("removed as a file", unlink("/tmp/mq/made") == 0 && count("made") == 0);
	CHECK_ERRNO("gone", mq_open("/made", O_RDWR), ENOENT);
	CHECK("but for who has it", mq_getattr(fd, &a) == 0 && a.mq_curmsgs == 1);
	close(fd);
	CHECK_ERRNO("no directories", mkdir("/tmp/mq/d", 0700), EPERM);
	CHECK("unmounted", umount("/tmp/mq") == 0 && mq_unlink("/before") == 0);
	mq_close(q);
	CHECK("limits", (fd = open("/proc/sys/fs/mqueue/msg_max", O_RDONLY)) >= 0 && read(fd, line, 99) == 3 && atoi(line) == 10);
	return t_end();
}
