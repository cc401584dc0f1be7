/** Linux AIO: requests, events and the ring of them. Source: linux/aio_abi.h, fs/aio.c; io_submit(2). */
import { i16, i64, struct, u16, u32, u64 } from "../lib/struct.ts";

export const IOCB_CMD_PREAD = 0;
export const IOCB_CMD_PWRITE = 1;
export const IOCB_CMD_FSYNC = 2;
export const IOCB_CMD_FDSYNC = 3;
export const IOCB_CMD_POLL = 5;
export const IOCB_CMD_PREADV = 7;
export const IOCB_CMD_PWRITEV = 8;

export const IOCB_FLAG_RESFD = 1;
export const IOCB_FLAG_IOPRIO = 2;

/** What a request's `key` is while it is with the kernel. */
export const KIOCB_KEY = 0;

export const Iocb = struct({
  data: u64,
  key: u32,
  rw_flags: u32,
  lio_opcode: u16,
  reqprio: i16,
  fildes: u32,
  buf: u64,
  nbytes: u64,
  offset: i64,
  reserved2: u64,
  flags: u32,
  resfd: u32,
});

export const IO_EVENT_BYTES = 32;

/** The ring's header, a page of which events follow: offsets of 32-bit words. */
export const RING_ID = 0;
export const RING_NR = 4;
export const RING_HEAD = 8;
export const RING_TAIL = 12;
export const RING_MAGIC = 16;
export const RING_COMPAT = 20;
export const RING_INCOMPAT = 24;
export const RING_HEADER_LENGTH = 28;
export const RING_HEADER_BYTES = 32;

export const AIO_RING_MAGIC = 0xa10a10a1;
export const AIO_RING_COMPAT_FEATURES = 1;
