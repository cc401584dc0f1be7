/**
 * RV64GC: every instruction the machine knows, in one list.
 *
 * 16-bit instructions are not in it: they expand to these (c.ts).
 */
import { A_INSNS } from "./a.ts";
import { D_INSNS } from "./d.ts";
import { F_INSNS } from "./f.ts";
import { I_INSNS } from "./i.ts";
import type { Insn } from "./insn.ts";
import { M_INSNS } from "./m.ts";
import { ZICSR_INSNS } from "./zicsr.ts";
import { ZIFENCEI_INSNS } from "./zifencei.ts";

export const RV64GC: readonly Insn[] = [
  ...I_INSNS,
  ...ZIFENCEI_INSNS,
  ...M_INSNS,
  ...A_INSNS,
  ...ZICSR_INSNS,
  ...F_INSNS,
  ...D_INSNS,
];
