/* A datagram that goes over loopback in more pieces than may wait at once. */
#include "inet.h"
#include "netns.h"
#include <net/if.h>

int main(void)
{
	static char out[60000], in[60001];
	struct ifreq r = {.ifr_name = "lo"};
	own_network();
	int s = socket(AF_INET, SOCK_DGRAM, 0), to = socket(AF_INET, SOCK_DGRAM, 0), big = 1 << 20;
	r.ifr_flags = IFF_UP;
	CHECK(ioctl(s, SIOCSIFFLAGS, &r) == 0);
	r.ifr_mtu = 68;
	CHECK("a link of small packets", ioctl(s, SIOCSIFMTU, &r) == 0);
	struct sockaddr_in a = at4(0);
	/* Linux charges the sender for each of them. */
	int room = 8 << 20;
	if (setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room)) return T_NOT_HERE;
	CHECK(bind(to, (sa *)&a, sizeof a) == 0 && setsockopt(to, SOL_SOCKET, SO_RCVBUF, &big, sizeof big) == 0);
	a = at4(port_of(to));
	for (size_t i = 0; i < sizeof out; i++) out[i] = i * 7;
	CHECK("a large datagram", sendto(s, out, sizeof out, 0, (sa *)&a, sizeof a) == sizeof out);
	CHECK("arrives whole", recv(to, in, sizeof in, MSG_DONTWAIT) == sizeof out && memcmp(in, out, sizeof out) == 0);
	return t_end();
}
