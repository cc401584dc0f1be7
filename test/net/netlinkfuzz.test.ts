/**
 * Netlink messages that make no sense, thousands of them, straight into the kernel: each is
 * answered or ignored, and in the end nothing is left but lo. The seed is fixed.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { failed } from "../../src/abi/errno.ts";
import { NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK } from "../../src/abi/netlink.ts";
import { AF_NETLINK, SOCK_RAW } from "../../src/abi/socket.ts";
import type { NetlinkSocket } from "../../src/net/netlink/netlinksocket.ts";
import type { NetStack } from "../../src/net/netstack.ts";
import { PacketFilter } from "../../src/net/packetfilter.ts";
import type { SocketFile } from "../../src/net/socketfile.ts";
import { Uio } from "../../src/vm/uio.ts";
import { TestKernel } from "../harness/kernel.ts";

/** Numbers from 0 to n - 1, the same each time. */
class Dice {
  #state = 0x2545f491;

  below(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }
}

/** A message with a header, a fixed part and attributes, any of which may lie about itself. */
function message(dice: Dice, types: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(16 + dice.below(200));
  for (let i = 16; i < bytes.length; i++) bytes[i] = dice.below(4) === 0 ? dice.below(256) : 0;
  const view = new DataView(bytes.buffer);
  const length = dice.below(10) === 0 ? dice.below(2 ** 32) : bytes.length;
  view.setUint32(0, length, true);
  view.setUint16(
    4,
    dice.below(20) === 0 ? dice.below(65536) : types[dice.below(types.length)]!,
    true,
  );
  view.setUint16(6, 1 | (dice.below(2) === 0 ? 0x300 : dice.below(0x1000)), true);
  view.setUint32(8, 1, true);
  if (bytes.length > 17) bytes[16] = [0, 1, 2, 7, 10, 16, 17, 255][dice.below(8)]!;
  let at = [17, 20, 24, 28, 32, 36, 88][dice.below(7)]!;
  while (at + 8 <= bytes.length) {
    const left = bytes.length - at;
    const size = dice.below(8) === 0 ? dice.below(65536) : 4 + dice.below(left - 3);
    view.setUint16(at, size, true);
    view.setUint16(at + 2, dice.below(70) | (dice.below(4) === 0 ? 0x8000 : 0), true);
    if (dice.below(3) === 0) view.setUint32(at + 4, dice.below(3), true);
    if (dice.below(6) === 0) {
      const kind = ["dummy", "veth", "bridge", "lo", "x%d"][dice.below(5)]!;
      for (let i = 0; i < kind.length && at + 4 + i < bytes.length; i++) {
        bytes[at + 4 + i] = kind.charCodeAt(i);
      }
    }
    at += Math.max(4, Math.min(size + 3, left) & ~3);
  }
  return bytes;
}

it("stands any netlink message", () => {
  const kernel = new TestKernel();
  const { vfs, cpu } = kernel.kernel;
  const td = kernel.init;
  const stack = td.ns.net.contents as NetStack;
  const before = vfs.kmem.usedBytes;
  const dice = new Dice();
  const into = new Uint8Array(4096);
  for (const [protocol, types] of [
    [0, Array.from({ length: 100 }, (_, i) => 16 + i)],
    [4, [18, 19, 20, 21]],
    [16, [16, 17]],
  ] as const) {
    const fp = vfs.domains.byFamily.get(AF_NETLINK)!.socket(td, SOCK_RAW, protocol);
    assert.ok(!failed(fp));
    const s = (fp as SocketFile).socket as NetlinkSocket;
    s.switches.add(NETLINK_EXT_ACK);
    for (let i = 0; i < 6000; i++) {
      if (dice.below(2) === 0) s.switches.add(NETLINK_GET_STRICT_CHK);
      else s.switches.delete(NETLINK_GET_STRICT_CHK);
      const bytes = message(dice, types);
      s.send(td, Uio.kernel(bytes), { flags: 0, name: null, control: null }, true);
      while (s.receive(td, Uio.kernel(into), 0, null, true) >= 0);
    }
    fp.release();
  }
  cpu.callouts.run(cpu.clock.monotonicNs() + 1e12);
  for (const ifp of [...stack.inOrder()]) {
    if (ifp === stack.lo || stack.byIndex(ifp.index) !== ifp) continue;
    stack.detach(ifp);
    ifp.detached();
  }
  assert.equal(stack.interfaces.size, 1);
  assert.equal(vfs.kmem.usedBytes, before);
});

it("runs any filter that passes the check to its end, inside the packet", () => {
  const dice = new Dice();
  const codes = [
    0x00, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0xb1, 0x15, 0x25, 0x05, 0x06, 0x16,
  ];
  const packet = Uint8Array.from({ length: 60 }, () => dice.below(256));
  let sound = 0;
  for (let i = 0; i < 20000; i++) {
    const count = 1 + dice.below(8);
    const program = new Uint8Array(count * 8);
    const view = new DataView(program.buffer);
    for (let n = 0; n < count; n++) {
      view.setUint16(n * 8, n === count - 1 ? 0x16 : codes[dice.below(codes.length)]!, true);
      view.setUint8(n * 8 + 2, dice.below(3));
      view.setUint8(n * 8 + 3, dice.below(3));
      const k = dice.below(4) === 0 ? dice.below(2 ** 32) : dice.below(80);
      view.setUint32(n * 8 + 4, k, true);
    }
    const filter = PacketFilter.check(program);
    if (failed(filter)) continue;
    sound++;
    const kept = filter.run(packet);
    assert.ok(Number.isInteger(kept) && kept >= 0 && kept < 2 ** 32);
  }
  assert.ok(sound > 1000);
});
