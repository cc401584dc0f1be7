/**
 * Scripts of what happens at a pty, and running them: here on our own
 * terminals, in pty-oracle.py on the host's Linux. Bytes are hexadecimal.
 */
import { errnoNames } from "../../src/abi/errno.ts";
import { O_NONBLOCK } from "../../src/abi/fcntl.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDNORM,
  POLLWRNORM,
} from "../../src/abi/poll.ts";
import { TCFLSH, TCGETS, TCSETS, TCXONC, TIOCPKT } from "../../src/abi/ttyioctl.ts";
import { PtySlave } from "../../src/dev/tty/pty.ts";
import { PtyMaster, type PtyOwner } from "../../src/dev/tty/ptymaster.ts";
import { TtyFile } from "../../src/dev/tty/ttyfile.ts";
import { KernelClock } from "../../src/kern/clock.ts";
import { Cpu } from "../../src/kern/cpu.ts";
import { Cred } from "../../src/kern/cred.ts";
import { Thread } from "../../src/kern/thread.ts";

import { Uio } from "../../src/vm/uio.ts";
import { BufferMemory } from "./buffer-memory.ts";

export type Step =
  | readonly [
      op: "termios",
      how: number,
      iflag: number,
      oflag: number,
      cflag: number,
      lflag: number,
      cc: readonly number[],
    ]
  | readonly [op: "type" | "print", data: string]
  | readonly [op: "read" | "flush" | "flow" | "setpacket", n: number]
  | readonly [
      op:
        | "attributes"
        | "screen"
        | "waiting"
        | "outwaiting"
        | "poll"
        | "closeslave"
        | "reopen"
        | "closemaster",
    ];

export type Result = string | number | readonly (string | number)[];

const O_RDWR = 2;
const HOST_POLL = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM | POLLERR | POLLHUP;

class NoThread extends Thread {}

export function testThread(): Thread {
  const clock = new KernelClock({ monotonicNs: () => 0, epochSec: 0, epochNsec: 0 });
  const td = new NoThread(1, new Cpu(0, clock), Cred.root());
  td.state = "running";
  return td;
}

const nobody: PtyOwner = { masterClosed: () => {}, openPeer: () => -1 };

/** One of our ptys, driven by steps. */
export class PtyRig {
  readonly slave = new PtySlave(0x8800, 0);
  readonly master = new PtyMaster(this.slave, nobody, O_RDWR | O_NONBLOCK);
  readonly #td = testThread();
  readonly #mem = new BufferMemory(4096);
  #file = this.#open();
  #isPacket = false;

  run(steps: readonly Step[]): Result[] {
    return steps.map((s) => this.step(s));
  }

  step(s: Step): Result {
    const td = this.#td;
    switch (s[0]) {
      case "termios":
        return this.#setTermios(s);
      case "attributes":
        return this.#attributes();
      case "type":
        return named(this.master.write(td, input(s[1])));
      case "print":
        return named(this.#file.write(td, input(s[1])));
      case "read":
        return this.#read(s[1]);
      case "screen":
        return this.#screen();
      case "waiting":
        return this.#file.bytesReadable();
      case "outwaiting":
        return this.master.bytesReadable();
      case "flush":
        return named(this.#file.ioctl(td, TCFLSH, s[1], this.#mem));
      case "flow":
        return named(this.#file.ioctl(td, TCXONC, s[1], this.#mem));
      case "setpacket":
        this.#isPacket = s[1] !== 0;
        this.#mem.storeU32(0, s[1]);
        return named(this.master.ioctl(td, TIOCPKT, 0, this.#mem));
      case "poll":
        return [this.master.poll(td, null) & HOST_POLL, this.#file.poll(td, null) & HOST_POLL];
      case "closeslave":
        this.#file.release();
        return "ok";
      case "reopen":
        this.#file = this.#open();
        return "ok";
      case "closemaster":
        this.master.release();
        return "ok";
    }
  }

  #open(): TtyFile {
    this.slave.isClosed = false;
    return new TtyFile(this.slave, O_RDWR | O_NONBLOCK, false);
  }

  #setTermios(s: Step & readonly ["termios", ...unknown[]]): Result {
    const [, how, iflag, oflag, cflag, lflag, cc] = s;
    const view = new DataView(this.#mem.bytes.buffer);
    [iflag, oflag, cflag, lflag].forEach((f, i) => {
      view.setUint32(4 * i, f, true);
    });
    this.#mem.bytes[16] = 0;
    this.#mem.bytes.set(cc, 17);
    const r = this.#file.ioctl(this.#td, TCSETS + how, 0, this.#mem);
    return r === 0 ? "ok" : named(r);
  }

  #attributes(): Result {
    const r = this.#file.ioctl(this.#td, TCGETS, 0, this.#mem);
    return r === 0 ? hex(this.#mem.bytes.subarray(0, 36)) : named(r);
  }

  #read(count: number): Result {
    const into = new Uint8Array(count);
    const n = this.#file.read(this.#td, Uio.kernel(into));
    return n < 0 ? named(n) : hex(into.subarray(0, n));
  }

  #screen(): Result {
    const out: (string | number)[] = [];
    const into = new Uint8Array(65536);
    let data = "";
    const flush = (): void => {
      if (data !== "") out.push(data);
      data = "";
    };
    for (;;) {
      const n = this.master.read(this.#td, Uio.kernel(into));
      if (n < 0) {
        flush();
        if (named(n) !== "EAGAIN") out.push(named(n));
        return out;
      }
      if (this.#isPacket && into[0] !== 0) {
        flush();
        out.push(into[0]!);
      } else {
        data += hex(into.subarray(this.#isPacket ? 1 : 0, n));
      }
    }
  }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function input(data: string): Uio {
  return Uio.kernel(new Uint8Array(Buffer.from(data, "hex")));
}

function named(r: number): string | number {
  return r < 0 ? (errnoNames.get(-r) ?? r) : r;
}
