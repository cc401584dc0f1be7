/* Packet sockets and socket filters over lo. See packet(7), socket(7). */
#include "netns.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

static unsigned char buf[70000];

static void lo_up(void)
{
	struct ifreq r = {.ifr_name = "lo"};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(ioctl(s, SIOCGIFFLAGS, &r) == 0);
	r.ifr_flags |= IFF_UP;
	CHECK(ioctl(s, SIOCSIFFLAGS, &r) == 0);
	close(s);
}

static void say(int port, const char *what)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(sendto(s, what, strlen(what), 0, (void *)&a, sizeof a) == (int)strlen(what));
	close(s);
}

static int next(int s, struct sockaddr_ll *from)
{
	socklen_t n = sizeof *from;
	return recvfrom(s, buf, sizeof buf, MSG_DONTWAIT, (void *)from, &n);
}

static void filters(void)
{
	/* UDP to port 7777, first 40 bytes of the frame. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x800, 0, 7),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 5),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14), BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 0x10000), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7777, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 40), BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog prog = {10, code};
	struct sockaddr_ll from;
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), on = 1;
	CHECK_ERRNO("none there", setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &on, 4), ENOENT);
	CHECK("a filter", setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog) == 0);
	CHECK_ERRNO("one that makes no sense", setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &(struct sock_fprog){3, code}, sizeof prog), EINVAL);
	while (next(s, &from) > 0);
	say(7776, "no");
	say(7777, "yes, and long enough to be cut");
	CHECK("what passes is cut", next(s, &from) == 40 && buf[23] == 17 && from.sll_pkttype == PACKET_OUTGOING);
	CHECK("and comes in again", next(s, &from) == 40 && from.sll_pkttype == PACKET_HOST);
	CHECK_ERRNO("nothing else", next(s, &from), EAGAIN);
	CHECK("locked", setsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &on, 4) == 0);
	CHECK_ERRNO("for good", setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &on, 4), EPERM);
	close(s);
	/* Of other sockets too: a UDP socket sees its header first. */
	struct sock_filter len[] = {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 10, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(7778), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int u = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(u, (void *)&a, sizeof a) == 0);
	CHECK("of UDP", setsockopt(u, SOL_SOCKET, SO_ATTACH_FILTER, &(struct sock_fprog){4, len}, sizeof prog) == 0);
	say(7778, "xx");
	say(7778, "xxx");
	CHECK("too short", recv(u, buf, 100, MSG_DONTWAIT) == 3);
	close(u);
}

static void taps(void)
{
	struct sockaddr_ll from, a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1};
	socklen_t n = sizeof from;
	struct tpacket_stats st;
	int on = 1, s = socket(AF_PACKET, SOCK_RAW, 0), d = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	CHECK_ERRNO("no streams", socket(AF_PACKET, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
	CHECK("unbound", getsockname(s, (void *)&from, &n) == 0 && n == 12 && from.sll_ifindex == 0);
	CHECK_ERRNO("a short address", bind(s, (void *)&a, 8), EINVAL);
	a.sll_ifindex = 77;
	CHECK_ERRNO("no such interface", bind(s, (void *)&a, sizeof a), ENODEV);
	a.sll_ifindex = 1;
	CHECK("bind", bind(s, (void *)&a, sizeof a) == 0);
	n = sizeof from;
	CHECK("to lo", getsockname(s, (void *)&from, &n) == 0 && n == 18 && from.sll_ifindex == 1 && from.sll_hatype == 772 && from.sll_halen == 6);
	CHECK("auxiliary data", setsockopt(s, SOL_PACKET, PACKET_AUXDATA, &on, 4) == 0);
	while (next(s, &from) > 0 || next(d, &from) > 0);
	say(5555, "hello");
	char control[200];
	struct iovec iov = {buf, 20};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control, .msg_name = &from, .msg_namelen = sizeof from};
	CHECK("one protocol comes in once, cut here", recvmsg(s, &m, MSG_DONTWAIT | MSG_TRUNC) == 14 + 20 + 8 + 5 && (m.msg_flags & MSG_TRUNC));
	CHECK("its frame", buf[12] == 8 && buf[13] == 0 && buf[14] == 0x45 && memcmp(buf, "\0\0\0\0\0\0\0\0\0\0\0\0", 12) == 0);
	CHECK("from", from.sll_protocol == htons(ETH_P_IP) && from.sll_ifindex == 1 && from.sll_hatype == 772 && from.sll_pkttype == PACKET_HOST && from.sll_halen == 6);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct tpacket_auxdata *x = (void *)CMSG_DATA(c);
	CHECK("and more about it", c && c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA && x->tp_len == 47 && x->tp_snaplen == 47 && x->tp_net == 14);
	CHECK("without the frame's header", next(d, &from) == 33 && buf[0] == 0x45);
	n = sizeof st;
	CHECK("counted", getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &n) == 0 && n == sizeof st && st.tp_packets >= 1 && st.tp_drops == 0);
	CHECK("once", getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &n) == 0 && st.tp_packets == 0);
	struct packet_mreq mr = {.mr_ifindex = 1, .mr_type = PACKET_MR_PROMISC};
	CHECK("promiscuous", setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr, sizeof mr) == 0);
	CHECK("no more", setsockopt(s, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &mr, sizeof mr) == 0);
	CHECK("nor twice", setsockopt(s, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &mr, sizeof mr) == 0);
	while (next(s, &from) > 0);
	struct pollfd p = {.fd = s, .events = POLLIN | POLLOUT};
	CHECK("poll", poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
	close(s);
	close(d);
}

static void rings(void)
{
	struct tpacket_req q = {.tp_block_size = 8192, .tp_block_nr = 2, .tp_frame_size = 4096, .tp_frame_nr = 4};
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1};
	int v = TPACKET_V2, s = socket(AF_PACKET, SOCK_RAW, 0), n;
	socklen_t len = sizeof v;
	CHECK("the header's length", getsockopt(s, SOL_PACKET, PACKET_HDRLEN, &v, &len) == 0 && v == sizeof(struct tpacket2_hdr));
	v = 77;
	CHECK_ERRNO("of no version", getsockopt(s, SOL_PACKET, PACKET_HDRLEN, &v, &len), EINVAL);
	CHECK_ERRNO("nothing to map", mmap(NULL, 4096, PROT_READ, MAP_SHARED, s, 0) == MAP_FAILED ? -1 : 0, EINVAL);
	v = TPACKET_V2;
	CHECK("version 2", setsockopt(s, SOL_PACKET, PACKET_VERSION, &v, sizeof v) == 0);
	q.tp_block_size = 1000;
	CHECK_ERRNO("blocks are pages", setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof q), EINVAL);
	q.tp_block_size = 8192;
	q.tp_frame_nr = 5;
	CHECK_ERRNO("frames that are not there", setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof q), EINVAL);
	q.tp_frame_nr = 4;
	CHECK("a ring", setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof q) == 0);
	CHECK_ERRNO("one is enough", setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof q), EBUSY);
	char *ring = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	CHECK("mapped", ring != MAP_FAILED && bind(s, (void *)&a, sizeof a) == 0);
	struct pollfd p = {.fd = s, .events = POLLIN};
	CHECK("empty", poll(&p, 1, 0) == 0);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(5554)};
	int u = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(u, (void *)&in, sizeof in) == 0);
	say(5554, "ring");
	struct tpacket2_hdr *h = (void *)ring;
	CHECK("a packet", poll(&p, 1, 1000) == 1 && (h->tp_status & TP_STATUS_USER) && h->tp_len == 14 + 20 + 8 + 4 && h->tp_snaplen == h->tp_len);
	CHECK("where it is", h->tp_net == 80 && h->tp_mac == 66 && memcmp(ring + h->tp_net + 28, "ring", 4) == 0);
	struct sockaddr_ll *from = (void *)(ring + TPACKET_ALIGN(sizeof *h));
	CHECK("from", from->sll_family == AF_PACKET && from->sll_ifindex == 1 && from->sll_pkttype == PACKET_HOST);
	for (n = 0; n < 5; n++) say(5554, "more");
	struct tpacket_stats st;
	len = sizeof st;
	CHECK("four frames, and no more", getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &len) == 0 && st.tp_packets == 6 && st.tp_drops == 2);
	CHECK_ERRNO("it stays while it is mapped", setsockopt(s, SOL_PACKET, PACKET_RX_RING, &(struct tpacket_req){0}, sizeof q), EBUSY);
	h->tp_status = TP_STATUS_KERNEL;
	say(5554, "again");
	CHECK("a frame given back", (h->tp_status & TP_STATUS_USER) && memcmp(ring + h->tp_net + 28, "again", 5) == 0);
	munmap(ring, 16384);
	CHECK("gone", setsockopt(s, SOL_PACKET, PACKET_RX_RING, &(struct tpacket_req){0}, sizeof q) == 0);
	close(s);
	close(u);
}

static void sends(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(6666)};
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1, .sll_halen = 6};
	/* An IPv4 packet with a UDP datagram for port 6666, without a checksum. */
	unsigned char ip[] = {0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0x5c, 0xbb, 10, 9, 9, 9, 10, 1, 1, 1, 0x1a, 0x0b, 0x1a, 0x0a, 0, 11, 0, 0, 'o', 'w', 'n'};
	struct ifreq q = {.ifr_name = "lo:1"};
	struct sockaddr_in *in = (void *)&q.ifr_addr;
	int u = socket(AF_INET, SOCK_DGRAM, 0), d = socket(AF_PACKET, SOCK_DGRAM, 0), r = socket(AF_PACKET, SOCK_RAW, 0);
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0x0a010101);
	CHECK(ioctl(u, SIOCSIFADDR, &q) == 0 && bind(u, (void *)&a, sizeof a) == 0);
	CHECK("a packet of one's own", sendto(d, ip, sizeof ip, 0, (void *)&to, sizeof to) == sizeof ip);
	CHECK("arrives", recv(u, buf, 100, MSG_DONTWAIT) == 3 && memcmp(buf, "own", 3) == 0);
	memset(buf, 0, 14);
	buf[12] = 8;
	memcpy(buf + 14, ip, sizeof ip);
	CHECK("a whole frame", sendto(r, buf, 14 + sizeof ip, 0, (void *)&to, sizeof to) == 14 + sizeof ip);
	CHECK("arrives", recv(u, buf, 100, MSG_DONTWAIT) == 3);
	CHECK_ERRNO("to nowhere", send(r, buf, 60, 0), ENXIO);
	CHECK_ERRNO("too long", sendto(d, buf, 66000, 0, (void *)&to, sizeof to), EMSGSIZE);
	close(u);
	close(d);
	close(r);
}

int main(void)
{
	own_network();
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = 1};
	if (s < 0) _exit(T_NOT_HERE);
	CHECK("lo is down", bind(s, (void *)&a, sizeof a) == 0);
	CHECK_ERRNO("as the next call says", recv(s, buf, 10, MSG_DONTWAIT), ENETDOWN);
	close(s);
	lo_up();
	taps();
	filters();
	rings();
	sends();
	return t_end();
}
