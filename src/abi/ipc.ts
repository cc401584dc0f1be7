/** System V IPC on the wire: struct ipc64_perm, shmid64_ds and their company. Source: asm-generic/{ipc,shm}buf.h, linux/{ipc,shm}.h. */
import { i32, i64, struct, u16, u32, u64 } from "../lib/struct.ts";

export const IPC_PRIVATE = 0;
export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;

export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const IPC_INFO = 3;
export const SHM_LOCK = 11;
export const SHM_UNLOCK = 12;
export const SHM_STAT = 13;
export const SHM_INFO = 14;
export const SHM_STAT_ANY = 15;

/** Of shmget(2). */
export const SHM_HUGETLB = 0o4000;
export const SHM_NORESERVE = 0o10000;
/** Of shmat(2). */
export const SHM_RDONLY = 0o10000;
export const SHM_RND = 0o20000;
export const SHM_REMAP = 0o40000;
export const SHM_EXEC = 0o100000;
/** In shm_perm.mode: to be destroyed when nobody has it; locked in memory. */
export const SHM_DEST = 0o1000;
export const SHM_LOCKED = 0o2000;

/** struct shmid64_ds, its shm_perm included. */
export const ShmidDs = struct({
  key: i32,
  uid: u32,
  gid: u32,
  cuid: u32,
  cgid: u32,
  mode: u32,
  seq: u16,
  pad2: u16,
  pad3: u32,
  unused1: u64,
  unused2: u64,
  segsz: u64,
  atime: i64,
  dtime: i64,
  ctime: i64,
  cpid: i32,
  lpid: i32,
  nattch: u64,
  unused4: u64,
  unused5: u64,
});

export const Shminfo = struct({
  shmmax: u64,
  shmmin: u64,
  shmmni: u64,
  shmseg: u64,
  shmall: u64,
  unused1: u64,
  unused2: u64,
  unused3: u64,
  unused4: u64,
});

export const ShmInfo = struct({
  used_ids: i32,
  pad: i32,
  shm_tot: u64,
  shm_rss: u64,
  shm_swp: u64,
  swap_attempts: u64,
  swap_successes: u64,
});
