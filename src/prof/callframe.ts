/**
 * Call frame instructions: the small programs of .eh_frame that say, for each address of a function, how to find its caller.
 *
 * Only what a profiler needs is kept of the rules: where the canonical frame address is (from sp or s0), and where
 * ra and s0 were saved relative to it. Rules that are expressions count as unknown.
 * See DWARF 5, section 6.4.
 */
import { DwarfReader } from "./dwarfreader.ts";

export const RA = 1;
export const SP = 2;
export const S0 = 8;

/** Where a caller's registers are: offsets from the frame address; null where they are as they were. */
export interface FrameRule {
  /** SP or S0. */
  readonly cfaRegister: number;
  readonly cfaOffset: number;
  readonly ra: number | null;
  readonly s0: number | null;
  /** Nobody called this. */
  readonly isOutermost: boolean;
}

/** What entries have in common. */
export interface Cie {
  readonly codeAlign: number;
  readonly dataAlign: number;
  readonly pointerEncoding: number;
  readonly hasAugmentation: boolean;
  readonly isSignalFrame: boolean;
  readonly initial: Uint8Array;
}

/** One function: [start, end), and the program that describes it. */
export interface Fde {
  readonly cie: Cie;
  readonly start: number;
  readonly end: number;
  readonly program: Uint8Array;
}

/** The rule at `vaddr`, which is in `fde`; null if it cannot be followed. */
export function ruleOf(fde: Fde, vaddr: number): FrameRule | null {
  const initial: FrameState = {
    cfaRegister: SP,
    cfaOffset: 0,
    ra: null,
    s0: null,
    isRaUndefined: false,
    isUnknown: false,
  };
  if (!runProgram(fde.cie.initial, fde, Number.POSITIVE_INFINITY, initial, initial)) return null;
  const state = { ...initial };
  if (!runProgram(fde.program, fde, vaddr, state, initial)) return null;
  if (state.isUnknown || (state.cfaRegister !== SP && state.cfaRegister !== S0)) return null;
  // The kernel's frame of a signal lies between; nothing here knows its layout.
  const isOutermost = state.isRaUndefined || fde.cie.isSignalFrame;
  const { cfaRegister, cfaOffset, ra, s0 } = state;
  return { cfaRegister, cfaOffset, ra, s0, isOutermost };
}

/** What the call frame instructions have said so far; null: as in the caller. */
interface FrameState {
  cfaRegister: number;
  cfaOffset: number;
  ra: number | null;
  s0: number | null;
  isRaUndefined: boolean;
  /** Where ra or s0 is was given as an expression, or as another register. */
  isUnknown: boolean;
}

const MAX_REMEMBERED = 16;
/** A frame address that is an expression. */
const UNKNOWN = -1;

/** Runs `program` up to the row of `vaddr`; false if it is damaged. */
function runProgram(
  program: Uint8Array,
  { cie, start }: Fde,
  vaddr: number,
  state: FrameState,
  initial: FrameState,
): boolean {
  const r = new DwarfReader(program, 0);
  const remembered: FrameState[] = [];
  let location = start;
  const set = (register: number, offset: number | null): void => {
    if (register === RA) {
      state.ra = offset;
      state.isRaUndefined = false;
    } else if (register === S0) state.s0 = offset;
  };
  const restore = (register: number): void => {
    if (register === RA) {
      state.ra = initial.ra;
      state.isRaUndefined = initial.isRaUndefined;
    } else if (register === S0) state.s0 = initial.s0;
  };
  const expression = (register: number): void => {
    r.skip(r.uleb());
    if (register === RA || register === S0) state.isUnknown = true;
  };
  while (!r.isAtEnd) {
    const op = r.u8();
    const low = op & 0x3f;
    switch (op >> 6) {
      case 1:
        location += low * cie.codeAlign;
        if (location > vaddr) return true;
        continue;
      case 2:
        set(low, r.uleb() * cie.dataAlign);
        continue;
      case 3:
        restore(low);
        continue;
    }
    switch (op) {
      case DW_CFA_nop:
        break;
      case DW_CFA_set_loc:
        location = r.pointer(cie.pointerEncoding);
        break;
      case DW_CFA_advance_loc1:
        location += r.u8() * cie.codeAlign;
        break;
      case DW_CFA_advance_loc2:
        location += r.u16() * cie.codeAlign;
        break;
      case DW_CFA_advance_loc4:
        location += r.u32() * cie.codeAlign;
        break;
      case DW_CFA_offset_extended:
        set(r.uleb(), r.uleb() * cie.dataAlign);
        break;
      case DW_CFA_offset_extended_sf:
        set(r.uleb(), r.sleb() * cie.dataAlign);
        break;
      case DW_CFA_restore_extended:
        restore(r.uleb());
        break;
      case DW_CFA_undefined:
        if (r.uleb() === RA) state.isRaUndefined = true;
        break;
      case DW_CFA_same_value:
        set(r.uleb(), null);
        break;
      case DW_CFA_register: {
        const register = r.uleb();
        r.uleb();
        if (register === RA || register === S0) state.isUnknown = true;
        break;
      }
      case DW_CFA_remember_state:
        if (remembered.length >= MAX_REMEMBERED) return false;
        remembered.push({ ...state });
        break;
      case DW_CFA_restore_state: {
        const before = remembered.pop();
        if (!before) return false;
        Object.assign(state, before);
        break;
      }
      case DW_CFA_def_cfa:
        state.cfaRegister = r.uleb();
        state.cfaOffset = r.uleb();
        break;
      case DW_CFA_def_cfa_sf:
        state.cfaRegister = r.uleb();
        state.cfaOffset = r.sleb() * cie.dataAlign;
        break;
      case DW_CFA_def_cfa_register:
        state.cfaRegister = r.uleb();
        break;
      case DW_CFA_def_cfa_offset:
        state.cfaOffset = r.uleb();
        break;
      case DW_CFA_def_cfa_offset_sf:
        state.cfaOffset = r.sleb() * cie.dataAlign;
        break;
      case DW_CFA_def_cfa_expression:
        r.skip(r.uleb());
        state.cfaRegister = UNKNOWN;
        break;
      case DW_CFA_expression:
      case DW_CFA_val_expression:
        expression(r.uleb());
        break;
      case DW_CFA_GNU_args_size:
        r.uleb();
        break;
      default:
        return false;
    }
    if (location > vaddr) return true;
  }
  return !r.isOver;
}

// Call frame instructions, DWARF 5 section 7.24.
const DW_CFA_nop = 0x00;
const DW_CFA_set_loc = 0x01;
const DW_CFA_advance_loc1 = 0x02;
const DW_CFA_advance_loc2 = 0x03;
const DW_CFA_advance_loc4 = 0x04;
const DW_CFA_offset_extended = 0x05;
const DW_CFA_restore_extended = 0x06;
const DW_CFA_undefined = 0x07;
const DW_CFA_same_value = 0x08;
const DW_CFA_register = 0x09;
const DW_CFA_remember_state = 0x0a;
const DW_CFA_restore_state = 0x0b;
const DW_CFA_def_cfa = 0x0c;
const DW_CFA_def_cfa_register = 0x0d;
const DW_CFA_def_cfa_offset = 0x0e;
const DW_CFA_def_cfa_expression = 0x0f;
const DW_CFA_expression = 0x10;
const DW_CFA_offset_extended_sf = 0x11;
const DW_CFA_def_cfa_sf = 0x12;
const DW_CFA_def_cfa_offset_sf = 0x13;
const DW_CFA_val_expression = 0x16;
const DW_CFA_GNU_args_size = 0x2e;
