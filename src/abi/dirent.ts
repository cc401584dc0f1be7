/** struct linux_dirent64 up to its name, which follows at once. Source: getdents(2). */
import { i64, struct, u8, u16, u64 } from "../lib/struct.ts";

export const Dirent64 = struct({ d_ino: u64, d_off: i64, d_reclen: u16, d_type: u8 });
/** Offset of d_name: no padding between. */
export const DIRENT64_NAME = 19;
