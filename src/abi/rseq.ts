/** Restartable sequences: what a thread shares with the kernel. Source: linux/rseq.h. */
import { struct, u32, u64 } from "../lib/struct.ts";

/** struct rseq, as it was first; fields up to RSEQ_FEATURE_BYTES mean something. */
export const RSEQ_BYTES = 32;
export const RSEQ_ALIGN = 32;
export const RSEQ_FEATURE_BYTES = 28;

/** Offsets in struct rseq. */
export const RSEQ_CPU_ID_START = 0;
export const RSEQ_CPU_ID = 4;
export const RSEQ_CS = 8;
export const RSEQ_FLAGS = 16;
export const RSEQ_NODE_ID = 20;
export const RSEQ_MM_CID = 24;

export const RSEQ_CPU_ID_UNINITIALIZED = 0xffffffff;

export const RSEQ_FLAG_UNREGISTER = 1;

/** A sequence: [start_ip, start_ip + post_commit_offset), and where it is begun again. */
export const RseqCs = struct({
  version: u32,
  flags: u32,
  start_ip: u64,
  post_commit_offset: u64,
  abort_ip: u64,
});
