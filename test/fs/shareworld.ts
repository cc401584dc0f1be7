/** A directory of this computer, shared with a world without a machine, at /s. */
import assert from "node:assert/strict";
import * as host from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failed } from "../../src/abi/errno.ts";
import { O_DIRECTORY, O_RDONLY } from "../../src/abi/fcntl.ts";
import type { Hostfs } from "../../src/fs/hostfs/hostfs.ts";
import { HostfsType } from "../../src/fs/hostfs/hostfs.ts";
import { type NodeShare, openShare } from "../../src/hosts/node/share/share.ts";
import type { Share } from "../../src/platform/share.ts";
import type { Attr } from "../../src/vfs/attr.ts";
import { mkdir } from "../../src/vfs/create.ts";
import { namei } from "../../src/vfs/namei.ts";
import type { Path } from "../../src/vfs/path.ts";
import { World } from "../vfs/harness.ts";

export interface ShareOptions {
  readonly isReadOnly?: boolean;
  readonly uid?: number;
  readonly gid?: number;
  /** Something between the file system and the directory. */
  readonly wrap?: (share: Share) => Share;
}

export class ShareWorld extends World {
  /** The directory, as the host knows it. */
  readonly dir: string;
  readonly share: NodeShare;
  readonly hostfs: Hostfs;
  readonly #scratch: string;

  constructor({ isReadOnly = false, uid = 0, gid = 0, wrap = (s) => s }: ShareOptions = {}) {
    super();
    this.time.monotonicNs = () => Math.floor(performance.now() * 1e6);
    this.#scratch = host.mkdtempSync(join(tmpdir(), "share-"));
    this.dir = join(this.#scratch, "shared");
    host.mkdirSync(this.dir);
    const share = openShare(this.dir, isReadOnly);
    assert(typeof share !== "string", String(share));
    this.share = share;
    const shared = new Map([["tag", { share: wrap(share), uid, gid }]]);
    const type = new HostfsType(this.vfs, this.pages, shared);
    const fs = type.mount({ source: "tag", rdev: 0, data: "", isReadOnly, cred: this.td.cred });
    assert(!failed(fs));
    this.hostfs = fs as Hostfs;
    assert.equal(mkdir(this.td, this.ctx, "/s", 0o755, null), 0);
    assert(!failed(this.vfs.mounts.mount(fs, this.at("/s"), 0, "tag")));
  }

  /** A path of the host beside the share, which no guest may reach. */
  outside(name: string): string {
    return join(this.#scratch, name);
  }

  at(path: string, flags = 0): Path {
    const at = namei(this.ctx, this.td, path, flags);
    assert(!failed(at), `${path}: ${at}`);
    return at;
  }

  attr(path: string): Attr {
    const a = this.at(path).entry.vnode!.getattr();
    assert(!failed(a), `${path}: ${a}`);
    return a;
  }

  /** All of a file, or its error. */
  text(path: string): string | number {
    const fp = this.open(path, O_RDONLY);
    const r = this.read(fp, 1 << 20);
    fp.release();
    return r;
  }

  names(path: string): string[] {
    const fp = this.open(path, O_RDONLY | O_DIRECTORY);
    const names: string[] = [];
    const r = fp.readdir({
      entry(name) {
        if (name !== "." && name !== "..") names.push(name);
        return true;
      },
    });
    assert.equal(r, 0);
    fp.release();
    return names.sort();
  }

  end(): void {
    this.share.end();
    host.rmSync(this.#scratch, { recursive: true, force: true });
  }
}

/** Runs `body` in a world of its own. */
export function inShare(body: (w: ShareWorld) => void, options?: ShareOptions): void {
  const w = new ShareWorld(options);
  try {
    body(w);
  } finally {
    w.end();
  }
}

/** A share with some calls of its own. */
export function instead(share: Share, calls: Partial<Share>): Share {
  return new Proxy(share, {
    get(target, key) {
      const value = Reflect.get(key in calls ? calls : target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
