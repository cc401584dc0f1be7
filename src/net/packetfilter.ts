/**
 * Socket filters: classic BPF over the bytes of a packet (SO_ATTACH_FILTER).
 *
 * What a program returns is how many bytes of the packet are kept; 0 drops it.
 * A load from beyond the end drops it too. Offsets below zero mean facts about the
 * packet, or are relative to its headers. See socket(7); Linux Documentation/networking/filter.rst.
 */
import * as bpf from "../abi/bpf.ts";
import { EINVAL, type Errno } from "../abi/errno.ts";
import { type BpfDialect, bpfCompute, bpfHolds, decodeBpf, isSoundBpf } from "../kern/bpf.ts";

/** What programs may ask about a packet beside its bytes. */
export interface PacketFacts {
  /** Where the network header begins in the bytes; 0 where a filter sees none before it. */
  readonly networkOffset: number;
  /** ETH_P_*. */
  readonly protocol: number;
  /** PACKET_*. */
  readonly type: number;
  readonly ifindex: number;
  /** ARPHRD_* of the interface. */
  readonly hatype: number;
  readonly mark: number;
}

const NO_FACTS: PacketFacts = {
  networkOffset: 0,
  protocol: 0,
  type: 0,
  ifindex: 0,
  hatype: 0,
  mark: 0,
};

/** Facts that a load at SKF_AD_OFF and more may ask for. */
const KNOWN_FACTS: ReadonlySet<number> = new Set([
  bpf.SKF_AD_PROTOCOL,
  bpf.SKF_AD_PKTTYPE,
  bpf.SKF_AD_IFINDEX,
  bpf.SKF_AD_NLATTR,
  bpf.SKF_AD_NLATTR_NEST,
  bpf.SKF_AD_MARK,
  bpf.SKF_AD_QUEUE,
  bpf.SKF_AD_HATYPE,
  bpf.SKF_AD_RXHASH,
  bpf.SKF_AD_CPU,
  bpf.SKF_AD_ALU_XOR_X,
  bpf.SKF_AD_VLAN_TAG,
  bpf.SKF_AD_VLAN_TAG_PRESENT,
  bpf.SKF_AD_VLAN_TPID,
]);

const SIZES = [bpf.BPF_W, bpf.BPF_H, bpf.BPF_B];
const LDX_MSH = bpf.BPF_LDX | bpf.BPF_B | bpf.BPF_MSH;

const PACKETS: BpfDialect = {
  codes: new Set([
    ...SIZES.map((size) => bpf.BPF_LD | size | bpf.BPF_ABS),
    ...SIZES.map((size) => bpf.BPF_LD | size | bpf.BPF_IND),
    LDX_MSH,
    bpf.BPF_ALU | bpf.BPF_MOD | bpf.BPF_K,
    bpf.BPF_ALU | bpf.BPF_MOD | bpf.BPF_X,
  ]),
  hasSoundOperand: (code, k) => {
    if (code === (bpf.BPF_ALU | bpf.BPF_MOD | bpf.BPF_K)) return k !== 0;
    const isAbsolute = (code & 0xe7) === (bpf.BPF_LD | bpf.BPF_ABS);
    if (!isAbsolute || (k | 0) >= 0 || (k | 0) < bpf.SKF_AD_OFF) return true;
    return KNOWN_FACTS.has((k | 0) - bpf.SKF_AD_OFF);
  },
};

/** Where a load found nothing. */
const BEYOND = Number.NaN;

export class PacketFilter {
  /** The program as it was given: SO_GET_FILTER. */
  readonly source: Uint8Array;
  readonly #words: Int32Array;
  readonly #scratch = new Int32Array(bpf.BPF_MEMWORDS);

  private constructor(source: Uint8Array, words: Int32Array) {
    this.source = source;
    this.#words = words;
  }

  /** The program that struct sock_filter[] says, or EINVAL. */
  static check(filters: Uint8Array): PacketFilter | Errno {
    const words = decodeBpf(filters);
    return isSoundBpf(words, PACKETS) ? new PacketFilter(filters, words) : EINVAL;
  }

  /** How many of `bytes` are to be kept: 0 drops the packet. */
  run(bytes: Uint8Array, facts: PacketFacts = NO_FACTS): number {
    const words = this.#words;
    const scratch = this.#scratch;
    let a = 0;
    let x = 0;
    for (let i = 0; ; i += 4) {
      const code = words[i]!;
      const k = words[i + 3]!;
      switch (code) {
        case bpf.BPF_LD | bpf.BPF_LEN:
          a = bytes.length;
          break;
        case bpf.BPF_LDX | bpf.BPF_LEN:
          x = bytes.length;
          break;
        case bpf.BPF_LD | bpf.BPF_IMM:
          a = k;
          break;
        case bpf.BPF_LDX | bpf.BPF_IMM:
          x = k;
          break;
        case bpf.BPF_LD | bpf.BPF_MEM:
          a = scratch[k]!;
          break;
        case bpf.BPF_LDX | bpf.BPF_MEM:
          x = scratch[k]!;
          break;
        case bpf.BPF_ST:
          scratch[k] = a;
          break;
        case bpf.BPF_STX:
          scratch[k] = x;
          break;
        case bpf.BPF_MISC | bpf.BPF_TAX:
          x = a;
          break;
        case bpf.BPF_MISC | bpf.BPF_TXA:
          a = x;
          break;
        case bpf.BPF_JMP | bpf.BPF_JA:
          i += 4 * (k >>> 0);
          break;
        case bpf.BPF_RET | bpf.BPF_K:
          return k >>> 0;
        case bpf.BPF_RET | bpf.BPF_A:
          return a >>> 0;
        case LDX_MSH: {
          const byte = load(bytes, facts, k, bpf.BPF_B);
          if (Number.isNaN(byte)) return 0;
          x = (byte & 0xf) << 2;
          break;
        }
        default: {
          const kind = code & bpf.BPF_CLASS_MASK;
          if (kind === bpf.BPF_LD) {
            const isIndirect = (code & 0xe0) === bpf.BPF_IND;
            const size = code & 0x18;
            if (!isIndirect && k >= bpf.SKF_AD_OFF && k < 0) {
              a = factOf(bytes, facts, k - bpf.SKF_AD_OFF, a, x);
              break;
            }
            const loaded = load(bytes, facts, isIndirect ? (x + k) | 0 : k, size);
            if (Number.isNaN(loaded)) return 0;
            a = loaded | 0;
            break;
          }
          const operand = code & bpf.BPF_X ? x : k;
          if (kind === bpf.BPF_JMP) {
            i += 4 * words[i + (bpfHolds(code, a, operand) ? 1 : 2)]!;
            break;
          }
          const isDivision = (code & 0xf0) === bpf.BPF_DIV || (code & 0xf0) === bpf.BPF_MOD;
          if (isDivision && operand === 0) return 0;
          a = bpfCompute(code, a, operand);
        }
      }
    }
  }
}

/** The big-endian number of `size` at offset `k`, or BEYOND. */
function load(bytes: Uint8Array, facts: PacketFacts, k: number, size: number): number {
  let at = k;
  if (k < 0) {
    if (k >= bpf.SKF_NET_OFF) at = facts.networkOffset + k - bpf.SKF_NET_OFF;
    else if (k >= bpf.SKF_LL_OFF) at = k - bpf.SKF_LL_OFF;
    else return BEYOND;
    if (at < 0) return BEYOND;
  }
  if (size === bpf.BPF_B) return at < bytes.length ? bytes[at]! : BEYOND;
  if (size === bpf.BPF_H) {
    return at + 2 <= bytes.length ? (bytes[at]! << 8) | bytes[at + 1]! : BEYOND;
  }
  if (at + 4 > bytes.length) return BEYOND;
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function factOf(bytes: Uint8Array, facts: PacketFacts, fact: number, a: number, x: number): number {
  switch (fact) {
    case bpf.SKF_AD_PROTOCOL:
      return facts.protocol;
    case bpf.SKF_AD_PKTTYPE:
      return facts.type;
    case bpf.SKF_AD_IFINDEX:
      return facts.ifindex;
    case bpf.SKF_AD_HATYPE:
      return facts.hatype;
    case bpf.SKF_AD_MARK:
      return facts.mark | 0;
    case bpf.SKF_AD_ALU_XOR_X:
      return a ^ x;
    case bpf.SKF_AD_NLATTR:
      return attributeAt(bytes, a >>> 0, x & 0xffff, bytes.length);
    case bpf.SKF_AD_NLATTR_NEST:
      return nestedAt(bytes, a >>> 0, x & 0xffff);
    default:
      // One CPU and one queue, no hash, no VLAN.
      return 0;
  }
}

/** Where, from `at` on, the netlink attribute of a type is; 0. */
function attributeAt(bytes: Uint8Array, at: number, type: number, end: number): number {
  let a = at;
  while (a + 4 <= end) {
    const length = bytes[a]! | (bytes[a + 1]! << 8);
    if (length < 4 || length > end - a) return 0;
    if (((bytes[a + 2]! | (bytes[a + 3]! << 8)) & 0x3fff) === type) return a;
    a += (length + 3) & ~3;
  }
  return 0;
}

function nestedAt(bytes: Uint8Array, at: number, type: number): number {
  if (at + 4 > bytes.length) return 0;
  const length = bytes[at]! | (bytes[at + 1]! << 8);
  if (length < 4 || length > bytes.length - at) return 0;
  return attributeAt(bytes, at + 4, type, at + length);
}
