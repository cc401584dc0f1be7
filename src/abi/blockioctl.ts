/** ioctl(2) requests of block devices, from <linux/fs.h>, <linux/blkpg.h> and <linux/hdreg.h>. */
import { bytes, i32, i64, struct, u8, u16, u64 } from "../lib/struct.ts";

export const HDIO_GETGEO = 0x0301;
export const BLKROSET = 0x125d;
export const BLKROGET = 0x125e;
export const BLKRRPART = 0x125f;
export const BLKGETSIZE = 0x1260;
export const BLKFLSBUF = 0x1261;
export const BLKRASET = 0x1262;
export const BLKRAGET = 0x1263;
export const BLKFRASET = 0x1264;
export const BLKFRAGET = 0x1265;
export const BLKSECTGET = 0x1267;
export const BLKSSZGET = 0x1268;
export const BLKPG = 0x1269;
export const BLKDISCARD = 0x1277;
export const BLKIOMIN = 0x1278;
export const BLKIOOPT = 0x1279;
export const BLKALIGNOFF = 0x127a;
export const BLKPBSZGET = 0x127b;
export const BLKDISCARDZEROES = 0x127c;
export const BLKSECDISCARD = 0x127d;
export const BLKROTATIONAL = 0x127e;
export const BLKZEROOUT = 0x127f;
export const BLKBSZGET = 0x80081270;
export const BLKBSZSET = 0x40081271;
export const BLKGETSIZE64 = 0x80081272;

/** op of BLKPG. */
export const BLKPG_ADD_PARTITION = 1;
export const BLKPG_DEL_PARTITION = 2;
export const BLKPG_RESIZE_PARTITION = 3;

export const BlkpgArg = struct({ op: i32, flags: i32, datalen: i32, data: u64 });
export const BlkpgPartition = struct({
  start: i64,
  length: i64,
  pno: i32,
  devname: bytes(64),
  volname: bytes(64),
});
export const HdGeometry = struct({ heads: u8, sectors: u8, cylinders: u16, start: u64 });
