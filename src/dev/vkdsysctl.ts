/**
 * hw.vkdN.* and hw.vcdN.*: what a disk is, by sysctl(8).
 */
import { SysctlConst, type SysctlDir, SysctlLeaf } from "../kern/sysctl.ts";
import type { Vcd } from "./vcd.ts";
import type { Vkd } from "./vkd.ts";

export function addVkdSysctls(tree: SysctlDir, disk: Vkd): void {
  const at = `hw.${disk.name}`;
  tree.add(`${at}.serial`, new SysctlConst(disk.serial));
  tree.add(`${at}.size`, new SysctlConst(disk.sizeBytes));
  tree.add(`${at}.readonly`, new SysctlConst(disk.isReadOnly ? 1 : 0));
  tree.add(`${at}.cow`, new SysctlConst(disk.isCopyOnWrite ? 1 : 0));
  tree.add(`${at}.cow_bytes`, new OverlayBytes(disk));
  tree.add(`${at}.iops_limit`, new SysctlConst(disk.rates?.iops ?? 0));
  tree.add(`${at}.bw_limit`, new SysctlConst(disk.rates?.bytesPerSec ?? 0));
}

export function addVcdSysctls(tree: SysctlDir, disk: Vcd): void {
  tree.add(`hw.${disk.name}.serial`, new SysctlConst(disk.serial));
  tree.add(`hw.${disk.name}.size`, new SysctlConst(disk.sizeBytes));
}

class OverlayBytes extends SysctlLeaf {
  readonly #disk: Vkd;

  constructor(disk: Vkd) {
    super(0o444);
    this.#disk = disk;
  }

  read(): string {
    return String(this.#disk.overlayBytes);
  }
}
