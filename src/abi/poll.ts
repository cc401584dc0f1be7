/** struct pollfd, struct epoll_event and their flags. Source: asm-generic/poll.h, linux/eventpoll.h. */
import { i16, i32, struct, u32 } from "../lib/struct.ts";

export const PollFd = struct({ fd: i32, events: i16, revents: i16 });

export const EpollEvent = struct({ events: u32, __pad: u32, data_lo: u32, data_hi: u32 });

export const POLLIN = 0x001;
export const POLLPRI = 0x002;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;
export const POLLRDNORM = 0x040;
export const POLLRDBAND = 0x080;
export const POLLWRNORM = 0x100;
export const POLLWRBAND = 0x200;
export const POLLMSG = 0x400;
export const POLLRDHUP = 0x2000;

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLWAKEUP = 1 << 29;
export const EPOLLONESHOT = 1 << 30;
export const EPOLLET = 1 << 31;
