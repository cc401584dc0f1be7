/**
 * /proc/tty: which terminal drivers there are, by which ps(1) turns device
 * numbers into names. See proc_tty(5).
 */
import { HVC_MAJOR, PTY_SLAVE_MAJOR, TTYAUX_MAJOR } from "../../abi/devices.ts";
import { ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFREG } from "../../abi/stat.ts";
import { ProcDir, type ProcEntry, type ProcNode, ProcText } from "./node.ts";

/** Driver, node without its number, major, minors, kind. */
const DRIVERS: readonly (readonly [string, string, number, string, string])[] = [
  ["/dev/tty", "/dev/tty", TTYAUX_MAJOR, "0", "system:/dev/tty"],
  ["/dev/console", "/dev/console", TTYAUX_MAJOR, "1", "system:console"],
  ["/dev/ptmx", "/dev/ptmx", TTYAUX_MAJOR, "2", "system"],
  ["hvc", "/dev/hvc", HVC_MAJOR, "0", "system"],
  ["pty_slave", "/dev/pts", PTY_SLAVE_MAJOR, "0-1048575", "pty:slave"],
];

export class TtyDir extends ProcDir {
  child(name: string): ProcNode | Errno {
    if (name !== "drivers") return ENOENT;
    return this.fs.node(`${this.key}/drivers`, (key) => new TtyDrivers(this.fs, key));
  }

  *entries(): Iterable<ProcEntry> {
    yield { name: "drivers", key: `${this.key}/drivers`, type: S_IFREG, position: 2 };
  }
}

class TtyDrivers extends ProcText {
  text(): string {
    return DRIVERS.map(
      ([driver, node, major, minors, kind]) =>
        `${driver.padEnd(20)} ${node.padEnd(13)} ${String(major).padStart(3)} ${minors.padStart(7)} ${kind}\n`,
    ).join("");
  }
}
