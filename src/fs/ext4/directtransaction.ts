/**
 * Transactions of a volume without a journal: blocks go to their places at
 * commit, in the order of the disk. A crash in between is e2fsck's business.
 */
import { failed } from "../../abi/errno.ts";
import { RunningTransaction } from "./running.ts";

/** Most bytes of changed blocks that wait in memory. */
const LIMIT_BYTES = 8 << 20;

export class DirectTransaction extends RunningTransaction {
  protected hasRoom(credits: number, isLastResort: boolean): boolean {
    const most = LIMIT_BYTES / this.volume.geometry.blockSize;
    return isLastResort || this.blocks.size + credits <= most;
  }

  protected write(): number {
    const r = this.volume.cache.write(this.blocks.values());
    if (failed(r)) return r;
    this.blocks.clear();
    return this.flush();
  }

  protected forgotten(_blkno: number): void {}

  checkpoint(): number {
    return this.commit();
  }
}
