/**
 * A .deb: an ar archive of debian-binary, control.tar.* and data.tar.*.
 *
 * Source: deb(5), ar(5). Member names and sizes are checked against the file.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { decompress } from "./decompress.ts";
import { ImageError } from "./error.ts";
import { readTar, type TarEntry } from "./tar.ts";

const MAGIC = "!<arch>\n";
const HEADER = 60;
const MAX_MEMBERS = 16;
const MAX_CONTROL_FILE = 16 << 20;

interface Member {
  readonly name: string;
  readonly start: number;
  readonly size: number;
}

export class Deb {
  readonly #path: string;
  readonly #members: readonly Member[];

  private constructor(path: string, members: readonly Member[]) {
    this.#path = path;
    this.#members = members;
  }

  static async open(path: string): Promise<Deb> {
    return new Deb(path, await readMembers(path));
  }

  /** The files of the control archive (control, md5sums, postinst …) with their modes. */
  async control(): Promise<Map<string, { data: Uint8Array; mode: number }>> {
    const files = new Map<string, { data: Uint8Array; mode: number }>();
    for await (const entry of this.#tar("control.tar")) {
      const name = entry.path.replace(/^\.?\/+/, "");
      if (entry.type !== "file" || !/^[A-Za-z0-9._-]+$/.test(name)) continue;
      if (entry.data.length > MAX_CONTROL_FILE)
        throw new ImageError(`${this.#path}: ${name}: too large`);
      files.set(name, { data: Uint8Array.from(entry.data), mode: entry.mode });
    }
    return files;
  }

  /** The files that the package installs, in the order of the archive. */
  data(): AsyncGenerator<TarEntry> {
    return this.#tar("data.tar");
  }

  #tar(stem: string): AsyncGenerator<TarEntry> {
    const member = this.#members.find((m) => m.name === stem || m.name.startsWith(`${stem}.`));
    if (member === undefined) throw new ImageError(`${this.#path}: has no ${stem}`);
    const range = { start: member.start, end: member.start + member.size - 1 };
    const source = createReadStream(this.#path, { ...range, highWaterMark: 1 << 18 });
    return readTar(decompress(source, member.name));
  }
}

async function readMembers(path: string): Promise<Member[]> {
  const file = await open(path, "r");
  try {
    const { size: total } = await file.stat();
    const header = Buffer.alloc(HEADER);
    await file.read(header, 0, MAGIC.length, 0);
    if (header.toString("latin1", 0, MAGIC.length) !== MAGIC) {
      throw new ImageError(`${path}: not a Debian package`);
    }
    const members: Member[] = [];
    let at = MAGIC.length;
    while (at + HEADER <= total && members.length < MAX_MEMBERS) {
      await file.read(header, 0, HEADER, at);
      const name = header.toString("latin1", 0, 16).trimEnd().replace(/\/$/, "");
      const size = Number(header.toString("latin1", 48, 58).trim());
      const start = at + HEADER;
      if (!Number.isSafeInteger(size) || size <= 0 || start + size > total) {
        throw new ImageError(`${path}: damaged: member ${name} does not fit`);
      }
      members.push({ name, start, size });
      at = start + size + (size % 2);
    }
    return members;
  } finally {
    await file.close();
  }
}
