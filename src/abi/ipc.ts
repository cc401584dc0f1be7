/**
 * System V IPC: commands, flags and structs of riscv64.
 * Source: asm-generic/{ipcbuf,shmbuf,sembuf,msgbuf}.h, linux/{ipc,shm,sem,msg}.h; sysvipc(7).
 */
import { i16, i32, i64, struct, u16, u32, u64 } from "../lib/struct.ts";

export const IPC_PRIVATE = 0;
export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;
export const IPC_NOWAIT = 0o4000;

export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const IPC_INFO = 3;

export const SHM_LOCK = 11;
export const SHM_UNLOCK = 12;
export const SHM_STAT = 13;
export const SHM_INFO = 14;
export const SHM_STAT_ANY = 15;
export const SHM_HUGETLB = 0o4000;
/** Of shmget(2); of shmat(2). */
export const SHM_NORESERVE = 0o10000;
export const SHM_RDONLY = 0o10000;
export const SHM_RND = 0o20000;
export const SHM_REMAP = 0o40000;
export const SHM_EXEC = 0o100000;
/** Bits of a segment's mode: to be destroyed with its last attachment; locked in memory. */
export const SHM_DEST = 0o1000;
export const SHM_LOCKED = 0o2000;

export const SEM_UNDO = 0x1000;
export const GETPID = 11;
export const GETVAL = 12;
export const GETALL = 13;
export const GETNCNT = 14;
export const GETZCNT = 15;
export const SETVAL = 16;
export const SETALL = 17;
export const SEM_STAT = 18;
export const SEM_INFO = 19;
export const SEM_STAT_ANY = 20;
/** Highest value of a semaphore, and of an adjustment at exit. */
export const SEMVMX = 32767;

export const MSG_STAT = 11;
export const MSG_INFO = 12;
export const MSG_STAT_ANY = 13;
export const MSG_NOERROR = 0o10000;
export const MSG_EXCEPT = 0o20000;
export const MSG_COPY = 0o40000;

/** Fields that a struct's first member, ipc64_perm, has. */
const perm = {
  key: i32,
  uid: u32,
  gid: u32,
  cuid: u32,
  cgid: u32,
  mode: u32,
  seq: u16,
  __pad2: u16,
  __unused1: u64,
  __unused2: u64,
} as const;

export const Shmid64Ds = struct({
  ...perm,
  shm_segsz: u64,
  shm_atime: i64,
  shm_dtime: i64,
  shm_ctime: i64,
  shm_cpid: i32,
  shm_lpid: i32,
  shm_nattch: u64,
  __unused4: u64,
  __unused5: u64,
});

export const Shminfo64 = struct({
  shmmax: u64,
  shmmin: u64,
  shmmni: u64,
  shmseg: u64,
  shmall: u64,
  __unused1: u64,
  __unused2: u64,
  __unused3: u64,
  __unused4: u64,
});

export const ShmInfo = struct({
  used_ids: i32,
  shm_tot: u64,
  shm_rss: u64,
  shm_swp: u64,
  swap_attempts: u64,
  swap_successes: u64,
});

export const Semid64Ds = struct({
  ...perm,
  sem_otime: i64,
  sem_ctime: i64,
  sem_nsems: u64,
  __unused3: u64,
  __unused4: u64,
});

export const Seminfo = struct({
  semmap: i32,
  semmni: i32,
  semmns: i32,
  semmnu: i32,
  semmsl: i32,
  semopm: i32,
  semume: i32,
  semusz: i32,
  semvmx: i32,
  semaem: i32,
});

export const Sembuf = struct({ sem_num: u16, sem_op: i16, sem_flg: u16 });

export const Msqid64Ds = struct({
  ...perm,
  msg_stime: i64,
  msg_rtime: i64,
  msg_ctime: i64,
  msg_cbytes: u64,
  msg_qnum: u64,
  msg_qbytes: u64,
  msg_lspid: i32,
  msg_lrpid: i32,
  __unused4: u64,
  __unused5: u64,
});

export const Msginfo = struct({
  msgpool: i32,
  msgmap: i32,
  msgmax: i32,
  msgmnb: i32,
  msgmni: i32,
  msgssz: i32,
  msgtql: i32,
  msgseg: u16,
});
