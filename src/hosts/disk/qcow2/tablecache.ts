/**
 * Tables of one cluster each (L2 tables, refcount blocks), by their offset in
 * the file. Dirty ones stay until `writeBack`; of the others, those used
 * longest ago go.
 */
import { type Errno, failed } from "../../../abi/errno.ts";
import type { ImageFile } from "../imagefile.ts";

export interface Table {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export class TableCache {
  readonly #file: ImageFile;
  readonly #tableBytes: number;
  readonly #capacity: number;
  /** In order of last use. */
  readonly #tables = new Map<number, Table>();
  readonly #dirty = new Set<Table>();
  #last: Table | null = null;

  constructor(file: ImageFile, tableBytes: number, capacityBytes: number) {
    this.#file = file;
    this.#tableBytes = tableBytes;
    this.#capacity = Math.max(8, Math.floor(capacityBytes / tableBytes));
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** True if so much is dirty that it should be written. */
  get isFull(): boolean {
    return this.#dirty.size >= this.#capacity / 2;
  }

  get(offset: number): Table | Errno {
    if (this.#last?.offset === offset) return this.#last;
    const held = this.#tables.get(offset);
    if (held) {
      this.#tables.delete(offset);
      this.#tables.set(offset, held);
      this.#last = held;
      return held;
    }
    const bytes = new Uint8Array(this.#tableBytes);
    const r = this.#file.read(offset, bytes);
    return failed(r) ? r : this.#enter(offset, bytes);
  }

  /** A table that is new at `offset`, zeroed on the file as well: so that there is room for it. */
  create(offset: number): Table | Errno {
    const bytes = new Uint8Array(this.#tableBytes);
    const r = this.#file.write(offset, bytes);
    if (failed(r)) return r;
    this.forget(offset);
    return this.#enter(offset, bytes);
  }

  markDirty(table: Table): void {
    this.#dirty.add(table);
  }

  forget(offset: number): void {
    const held = this.#tables.get(offset);
    if (!held) return;
    this.#tables.delete(offset);
    this.#dirty.delete(held);
    if (this.#last === held) this.#last = null;
  }

  /** Writes what is dirty; what could not be written stays so. */
  writeBack(): number {
    for (const table of this.#dirty) {
      const r = this.#file.write(table.offset, table.bytes);
      if (failed(r)) return r;
      this.#dirty.delete(table);
    }
    return 0;
  }

  #enter(offset: number, bytes: Uint8Array): Table {
    if (this.#tables.size >= this.#capacity) this.#evict();
    const table = { offset, bytes, view: new DataView(bytes.buffer) };
    this.#tables.set(offset, table);
    this.#last = table;
    return table;
  }

  #evict(): void {
    for (const [offset, table] of this.#tables) {
      if (this.#dirty.has(table) || table === this.#last) continue;
      this.#tables.delete(offset);
      return;
    }
  }
}
