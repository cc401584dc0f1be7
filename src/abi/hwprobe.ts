/** riscv_hwprobe(2): what the machine can do, by key. See Documentation/arch/riscv/hwprobe.rst. */
export const HWPROBE_PAIR_BYTES = 16;

const KEY_MVENDORID = 0;
const KEY_MARCHID = 1;
const KEY_MIMPID = 2;
const KEY_BASE_BEHAVIOR = 3;
const KEY_IMA_EXT_0 = 4;
const KEY_CPUPERF_0 = 5;
const KEY_ZICBOZ_BLOCK_SIZE = 6;
const KEY_HIGHEST_VIRT_ADDRESS = 7;
const KEY_TIME_CSR_FREQ = 8;
const KEY_MISALIGNED_SCALAR_PERF = 9;

/** Keys from 0 on that this machine knows. */
export const HWPROBE_KEYS = 10;

const BASE_BEHAVIOR_IMA = 1;
const IMA_FD = 1;
const IMA_C = 2;
const MISALIGNED_FAST = 3;

/** rdtime counts nanoseconds. */
export const TIMEBASE_HZ = 1e9;
/** Last address of the user half: 38 bits. */
const HIGHEST_VIRT_ADDRESS = 2 ** 38 - 1;

/** The value for a key given as two halves; null for a key that this machine does not know. */
export function hwprobeValue(keyLow: number, keyHigh: number): number | null {
  if (keyHigh !== 0) return null;
  switch (keyLow) {
    case KEY_MVENDORID:
    case KEY_MARCHID:
    case KEY_MIMPID:
    case KEY_ZICBOZ_BLOCK_SIZE:
      return 0;
    case KEY_BASE_BEHAVIOR:
      return BASE_BEHAVIOR_IMA;
    case KEY_IMA_EXT_0:
      return IMA_FD | IMA_C;
    case KEY_CPUPERF_0:
    case KEY_MISALIGNED_SCALAR_PERF:
      return MISALIGNED_FAST;
    case KEY_HIGHEST_VIRT_ADDRESS:
      return HIGHEST_VIRT_ADDRESS;
    case KEY_TIME_CSR_FREQ:
      return TIMEBASE_HZ;
    default:
      return null;
  }
}
