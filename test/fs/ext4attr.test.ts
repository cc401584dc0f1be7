/** Attributes of ext4 files: access control lists, chattr's flags, extended attributes, times. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  EACCES,
  EEXIST,
  EINVAL,
  ENODATA,
  ENOSPC,
  EOPNOTSUPP,
  EPERM,
  failed,
} from "../../src/abi/errno.ts";
import { O_APPEND, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from "../../src/abi/fcntl.ts";
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from "../../src/abi/fsflags.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../src/abi/xattr.ts";
import type { Ext4Vnode } from "../../src/fs/ext4/vnode.ts";
import { access, MAY_EXEC, MAY_READ, MAY_WRITE } from "../../src/vfs/access.ts";
import { chmod, truncate } from "../../src/vfs/attributes.ts";
import { link, mkdir } from "../../src/vfs/create.ts";
import type { StatFs } from "../../src/vfs/filesystem.ts";
import { namei } from "../../src/vfs/namei.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import type { Path } from "../../src/vfs/path.ts";
import { rename, unlink } from "../../src/vfs/remove.ts";
import type { Vnode } from "../../src/vfs/vnode.ts";
import { debugfs, MemoryStore, makeImage, mountStore, pattern, withTempDir } from "./ext4image.ts";
import { FileWorld } from "./ext4world.ts";

const ACCESS = "system.posix_acl_access";
const DEFAULT = "system.posix_acl_default";
const NO_ID = 0xffffffff;

/** Entries as [tag, perm, id]: what setfacl(1) would write. */
function acl(...entries: [number, number, number?][]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 + 8 * entries.length));
  view.setUint32(0, 2, true);
  entries.forEach(([tag, perm, id = NO_ID], i) => {
    view.setUint16(4 + 8 * i, tag, true);
    view.setUint16(6 + 8 * i, perm, true);
    view.setUint32(8 + 8 * i, id, true);
  });
  return new Uint8Array(view.buffer);
}

const [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER] = [1, 2, 4, 8, 16, 32] as const;

/** Runs on a volume mounted at /mnt; afterwards e2fsck looks at it, and `after` at the image. */
function onVolume(
  options: string[],
  run: (w: FileWorld) => void,
  after: (image: string) => void = () => {},
  data = "",
): void {
  withTempDir((dir) => {
    mkdirSync(join(dir, "tree"));
    const image = makeImage(dir, join(dir, "tree"), 8192, options);
    const bytes = new Uint8Array(readFileSync(image));
    const w = new FileWorld();
    const { result, messages } = mountStore(new MemoryStore(bytes), data, false, w.pages);
    assert.ok(typeof result !== "number", messages.join("\n"));
    w.attach(result);
    run(w);
    w.vfs.names.clear();
    assert.equal(w.detach(), 0);
    writeFileSync(image, bytes);
    const r = spawnSync("e2fsck", ["-fn", image]);
    assert.equal(r.status, 0, r.stdout.toString());
    after(image);
  });
}

function at(w: FileWorld, path: string): Path {
  const found = namei(w.ctx, w.td, path, 0);
  assert.ok(!failed(found), `${path}: ${found}`);
  return found;
}

function vnode(w: FileWorld, path: string): Vnode {
  return at(w, path).entry.vnode!;
}

function create(w: FileWorld, path: string, mode = 0o644): Vnode {
  w.open(path, O_CREAT | O_WRONLY, mode).release();
  return vnode(w, path);
}

function modeOf(vp: Vnode): string {
  const a = vp.getattr();
  assert.ok(!failed(a));
  return (a.mode & 0o7777).toString(8);
}

const EXT4 = ["-t", "ext4", "-b", "1024"];

describe("an access control list", () => {
  it("grants and denies in the order of acl(5), and sets the permission bits", () => {
    onVolume(EXT4, (w) => {
      const vp = create(w, "/mnt/f", 0o600);
      const list = acl(
        [USER_OBJ, 6],
        [USER, 6, 1001],
        [USER, 0, 1002],
        [GROUP_OBJ, 4],
        [GROUP, 2, 2000],
        [MASK, 4],
        [OTHER, 0],
      );
      assert.equal(vp.setxattr(ACCESS, list, 0), 0);
      assert.equal(modeOf(vp), "640");
      assert.deepEqual(vp.getxattr(ACCESS), list);
      const may = (uid: number, groups: number[], want: number): number => {
        return access(vp, w.user(uid, uid, groups).cred, want);
      };
      assert.equal(may(1001, [], MAY_READ), 0);
      assert.equal(may(1001, [], MAY_WRITE), EACCES, "beyond the mask");
      assert.equal(may(1002, [0], MAY_READ), EACCES, "a named user is no member");
      assert.equal(may(1003, [0], MAY_READ), 0, "the file's group");
      assert.equal(may(1003, [2000], MAY_READ), EACCES);
      assert.equal(may(1003, [0, 2000], MAY_READ), 0);
      assert.equal(may(1003, [0, 2000], MAY_READ | MAY_WRITE), EACCES, "no entry has both");
      assert.equal(may(1004, [], MAY_READ), EACCES);
      assert.equal(chmod(at(w, "/mnt/f"), w.td.cred, 0o666), 0);
      assert.equal(may(1001, [], MAY_WRITE), 0, "chmod sets the mask");
      assert.equal(may(1004, [], MAY_READ), 0);
    });
  });

  it("is refused if it is none, and goes when the permission bits say it all", () => {
    onVolume(EXT4, (w) => {
      const vp = create(w, "/mnt/f", 0o600);
      assert.equal(vp.setxattr(ACCESS, acl([USER_OBJ, 6], [GROUP_OBJ, 4]), 0), EINVAL);
      const named = acl([USER_OBJ, 6], [USER, 6, 7], [GROUP_OBJ, 4], [OTHER, 0]);
      assert.equal(vp.setxattr(ACCESS, named, 0), EINVAL, "named without a mask");
      assert.equal(vp.setxattr(DEFAULT, acl([USER_OBJ, 6], [GROUP_OBJ, 4], [OTHER, 0]), 0), EACCES);
      assert.equal(vp.setxattr(ACCESS, acl([USER_OBJ, 7], [GROUP_OBJ, 5], [OTHER, 1]), 0), 0);
      assert.equal(modeOf(vp), "751");
      assert.equal(vp.getxattr(ACCESS), ENODATA);
    });
  });

  it("of a directory is inherited instead of the umask", () => {
    onVolume(EXT4, (w) => {
      w.ctx.umask = 0o077;
      assert.equal(mkdir(w.td, w.ctx, "/mnt/d", 0o777, null), 0);
      const list = acl([USER_OBJ, 7], [USER, 7, 1001], [GROUP_OBJ, 5], [MASK, 7], [OTHER, 5]);
      assert.equal(vnode(w, "/mnt/d").setxattr(DEFAULT, list, 0), 0);
      const file = create(w, "/mnt/d/f", 0o666);
      assert.equal(modeOf(file), "664");
      const expected = acl([USER_OBJ, 6], [USER, 7, 1001], [GROUP_OBJ, 5], [MASK, 6], [OTHER, 4]);
      assert.deepEqual(file.getxattr(ACCESS), expected);
      assert.equal(access(file, w.user(1001).cred, MAY_WRITE), 0);
      assert.equal(access(file, w.user(1001).cred, MAY_EXEC), EACCES);
      assert.equal(mkdir(w.td, w.ctx, "/mnt/d/below", 0o777, null), 0);
      assert.deepEqual(vnode(w, "/mnt/d/below").getxattr(DEFAULT), list);
      assert.equal(modeOf(create(w, "/mnt/other", 0o666)), "600");
    });
  });
});

describe("chattr", () => {
  it("+i keeps everybody from changing a file", () => {
    onVolume(
      EXT4,
      (w) => {
        const vp = create(w, "/mnt/f");
        assert.equal(vp.setFileFlags(FS_IMMUTABLE_FL), 0);
        const { td, ctx } = w;
        assert.equal(vfsOpen(td, ctx, "/mnt/f", O_WRONLY, 0), EPERM);
        w.open("/mnt/f", O_RDONLY).release();
        assert.equal(unlink(td, ctx, "/mnt/f", null), EPERM);
        assert.equal(rename(td, ctx, "/mnt/f", null, "/mnt/g", null, 0), EPERM);
        assert.equal(link(td, ctx, at(w, "/mnt/f"), "/mnt/g", null), EPERM);
        assert.equal(chmod(at(w, "/mnt/f"), td.cred, 0o600), EPERM);
        assert.equal(truncate(td, at(w, "/mnt/f"), 0), EPERM);
        assert.equal(mkdir(td, ctx, "/mnt/d", 0o755, null), 0);
        assert.equal(vnode(w, "/mnt/d").setFileFlags(FS_IMMUTABLE_FL), 0);
        assert.equal(vfsOpen(td, ctx, "/mnt/d/x", O_CREAT | O_WRONLY, 0o644), EPERM);
      },
      (image) => {
        assert.match(debugfs(image, ["stat /f"]), /Flags: 0x80010/);
      },
    );
  });

  it("+a lets a file only grow", () => {
    onVolume(EXT4, (w) => {
      const vp = create(w, "/mnt/f");
      assert.equal(vp.setFileFlags(FS_APPEND_FL), 0);
      const { td, ctx } = w;
      assert.equal(vfsOpen(td, ctx, "/mnt/f", O_WRONLY, 0), EPERM);
      assert.equal(vfsOpen(td, ctx, "/mnt/f", O_WRONLY | O_APPEND | O_TRUNC, 0), EPERM);
      const fp = w.open("/mnt/f", O_WRONLY | O_APPEND);
      assert.equal(w.write(fp, "more"), 4);
      fp.release();
      assert.equal(truncate(td, at(w, "/mnt/f"), 0), EPERM);
      assert.equal(unlink(td, ctx, "/mnt/f", null), EPERM);
      assert.equal(vnode(w, "/mnt").setFileFlags(FS_APPEND_FL), 0);
      create(w, "/mnt/g");
      assert.equal(unlink(td, ctx, "/mnt/g", null), EPERM);
    });
  });
});

describe("extended attributes", () => {
  it("are set, replaced and removed as setxattr(2) says, in inode and block", () => {
    onVolume(
      EXT4,
      (w) => {
        const vp = create(w, "/mnt/f");
        const small = new Uint8Array([1, 2, 3]);
        assert.equal(vp.setxattr("user.a", small, XATTR_REPLACE), ENODATA);
        assert.equal(vp.setxattr("user.a", small, XATTR_CREATE), 0);
        assert.equal(vp.setxattr("user.a", small, XATTR_CREATE), EEXIST);
        assert.equal(vp.removexattr("user.b"), ENODATA);
        assert.equal(vp.setxattr("nosuch.a", small, 0), EOPNOTSUPP);
        assert.equal(vp.setxattr("user.empty", new Uint8Array(0), 0), 0);
        assert.equal(vp.setxattr("user.big", pattern(900, 1), 0), 0);
        assert.equal(vp.setxattr("user.more", pattern(200, 2), 0), ENOSPC);
        assert.equal(vp.setxattr("user.big", pattern(700, 3), XATTR_REPLACE), 0);
        assert.equal(vp.setxattr("user.more", pattern(200, 2), 0), 0);
        assert.equal(vp.setxattr("security.capability", pattern(20, 4), 0), 0);
        assert.equal(vp.setxattr("trusted.t", small, 0), 0);
        assert.deepEqual(vp.getxattr("user.big"), pattern(700, 3));
        assert.deepEqual(vp.getxattr("user.empty"), new Uint8Array(0));
      },
      (image) => {
        const listed = debugfs(image, ["ea_list /f"]);
        for (const name of ["user.a (3)", "user.empty (0)", "user.big (700)", "user.more (200)"]) {
          assert.ok(listed.includes(name), listed);
        }
        assert.ok(listed.includes("security.capability (20)") && listed.includes("trusted.t (3)"));
      },
    );
  });

  it("have inodes of their own when they are large, with ea_inode", () => {
    onVolume([...EXT4, "-O", "ea_inode"], (w) => {
      const vp = create(w, "/mnt/f");
      const free = vp.fs.statfs();
      assert.equal(vp.setxattr("user.large", pattern(50000, 1), 0), 0);
      assert.equal(vp.setxattr("user.other", pattern(3000, 2), 0), 0);
      assert.equal(vp.setxattr("user.large", pattern(40000, 3), 0), 0);
      assert.deepEqual(vp.getxattr("user.large"), pattern(40000, 3));
      assert.equal(vp.removexattr("user.other"), 0);
      assert.deepEqual(vp.getxattr("user.large"), pattern(40000, 3));
      assert.equal(vp.removexattr("user.large"), 0);
      assert.equal(vp.fs.sync(), 0);
      assert.deepEqual(vp.fs.statfs(), free);
      assert.equal(vp.setxattr("user.large", pattern(20000, 1), 0), 0);
      const before = vp.fs.statfs();
      const other = create(w, "/mnt/g");
      for (const name of ["user.a", "user.b", "user.c"]) {
        assert.equal(other.setxattr(name, pattern(9000, name.charCodeAt(5)), 0), 0);
      }
      assert.equal(unlink(w.td, w.ctx, "/mnt/g", null), 0);
      w.vfs.names.clear();
      assert.equal(vp.fs.sync(), 0);
      assert.deepEqual(vp.fs.statfs(), before);
    });
  });

  it("in a block that files share are given to one of them only", () => {
    withTempDir((dir) => {
      mkdirSync(join(dir, "tree"));
      for (const name of ["a", "b"]) writeFileSync(join(dir, "tree", name), name);
      const image = makeImage(dir, join(dir, "tree"), 8192, [...EXT4, "-O", "^metadata_csum"]);
      writeFileSync(join(dir, "v"), pattern(500, 1));
      debugfs(image, [`ea_set -f ${join(dir, "v")} /a user.v`]);
      const block = Number(/File ACL: (\d+)/.exec(debugfs(image, ["stat /a"]))?.[1]);
      debugfs(image, [`set_inode_field /b file_acl ${block}`, "set_inode_field /b blocks 4"]);
      const bytes = new Uint8Array(readFileSync(image));
      new DataView(bytes.buffer).setUint32(block * 1024 + 4, 2, true);
      const w = new FileWorld();
      const { result } = mountStore(new MemoryStore(bytes), "", false, w.pages);
      assert.ok(typeof result !== "number");
      w.attach(result);
      assert.equal(vnode(w, "/mnt/a").setxattr("user.w", pattern(100, 2), 0), 0);
      assert.deepEqual(vnode(w, "/mnt/b").listxattr(), ["user.v"]);
      assert.deepEqual(vnode(w, "/mnt/a").getxattr("user.v"), pattern(500, 1));
      assert.equal(unlink(w.td, w.ctx, "/mnt/b", null), 0);
      w.vfs.names.clear();
      assert.equal(w.detach(), 0);
      writeFileSync(image, bytes);
      const r = spawnSync("e2fsck", ["-fn", image]);
      assert.equal(r.status, 0, r.stdout.toString());
    });
  });
});

describe("times", () => {
  it("reach from 1901 to 2446 with nanoseconds, and 2038 in small inodes", () => {
    const far = { sec: 15032385535, nsec: 999999999 };
    const early = { sec: -2147483648, nsec: 1 };
    onVolume(EXT4, (w) => {
      const vp = create(w, "/mnt/f");
      assert.equal(vp.setattr({ atime: far, mtime: early }), 0);
      const a = vp.getattr();
      assert.ok(!failed(a));
      assert.deepEqual(a.atime, far);
      assert.deepEqual(a.mtime, early);
      assert.equal(vp.setattr({ mtime: { sec: 2 ** 35, nsec: 5 } }), 0);
      const b = vp.getattr();
      assert.ok(!failed(b));
      assert.equal(b.mtime.sec, far.sec);
    });
    onVolume([...EXT4, "-I", "128"], (w) => {
      const vp = create(w, "/mnt/f");
      assert.equal(vp.setattr({ atime: far, mtime: early }), 0);
      const a = vp.getattr();
      assert.ok(!failed(a));
      assert.deepEqual(a.atime, { sec: 2147483647, nsec: 0 });
      assert.deepEqual(a.mtime, { sec: -2147483648, nsec: 0 });
    });
  });
});

describe("mount options", () => {
  const keep = (): void => {};

  it("put name spaces of attributes away", () => {
    const run = (w: FileWorld): void => {
      const vp = create(w, "/mnt/f");
      assert.equal(vp.keepsAcls, false);
      assert.equal(vp.setxattr("user.a", new Uint8Array(1), 0), EOPNOTSUPP);
      assert.equal(vp.setxattr("trusted.a", new Uint8Array(1), 0), 0);
      assert.deepEqual(vp.listxattr(), ["trusted.a"]);
    };
    onVolume(EXT4, run, keep, "noacl,nouser_xattr");
  });

  it("grpid gives new files the group of their directory", () => {
    const run = (w: FileWorld): void => {
      assert.equal(vnode(w, "/mnt").setattr({ gid: 1234 }), 0);
      const a = create(w, "/mnt/f").getattr();
      assert.ok(!failed(a));
      assert.equal(a.gid, 1234);
    };
    onVolume(EXT4, run, keep, "grpid");
  });
});

describe("chattr +D", () => {
  it("makes names permanent at once", () => {
    onVolume(EXT4, (w) => {
      const vp = vnode(w, "/mnt") as Ext4Vnode;
      const { tx } = vp.inode.volume;
      create(w, "/mnt/f");
      assert.equal(tx.isCommitted(vp.inode.sequence), false);
      assert.equal(vp.setFileFlags(0x10000), 0);
      create(w, "/mnt/g");
      assert.equal(tx.isCommitted(vp.inode.sequence), true);
    });
  });
});

describe("what is kept for the superuser", () => {
  it("is not taken by the directories of others", () => {
    onVolume([...EXT4, "-m", "40", "-N", "8192"], (w) => {
      assert.equal(chmod(at(w, "/mnt"), w.td.cred, 0o777), 0);
      const user = w.user(1000);
      const left = (): number => (vnode(w, "/mnt").fs.statfs() as StatFs).bavail;
      let r = 0;
      for (let i = 0; r === 0; i++) r = mkdir(user, w.ctx, `/mnt/u${i}`, 0o755, null);
      assert.equal(r, ENOSPC);
      assert.ok(left() <= 2, `${left()} left to all`);
      for (let i = 0; i < 50; i++) {
        assert.equal(mkdir(w.td, w.ctx, `/mnt/root${i}`, 0o755, null), 0);
      }
    });
  });
});
