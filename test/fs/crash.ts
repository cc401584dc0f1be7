/**
 * Crashes of ext4 in the middle of random operations: each image that a disk may
 * be left with is mounted, and everything on it read and compared with what must
 * have survived.
 *
 * What a commit made permanent and nothing touched since must be as it was; what
 * was touched since may be old or new; a byte of a file is what was once written
 * there, or zero, and never what some other file left in its block.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { EIO, EROFS, failed } from "../../src/abi/errno.ts";
import { S_IFMT } from "../../src/abi/stat.ts";
import type { Ext4 } from "../../src/fs/ext4/ext4.ts";
import { Random } from "../fuzz/random.ts";
import { CrashStore } from "./crashstore.ts";
import { MemoryStore, mountStore } from "./ext4image.ts";
import { FileWorld, kindOf, step } from "./ext4world.ts";
import { byteAt, isWithin, Model, type Node, type Op, type OpName } from "./model.ts";

/** Much that is logged, freed and used anew, and little that empties the log. */
export const CROWDED_KINDS: readonly OpName[] = [
  "mkdir",
  "mkdir",
  "rmdir",
  "rmdir",
  "create",
  "create",
  "symlink",
  "symlink",
  "unlink",
  "unlink",
  "unlink",
  "rename",
  "write",
  "write",
  "write",
  "write",
  "truncate",
  "truncate",
  "setxattr",
  "setxattr",
  "removexattr",
  "fsync",
  "commit",
  "commit",
];

/** Directories that grow, split and shrink. */
export const NAME_KINDS: readonly OpName[] = [
  "create",
  "create",
  "create",
  "create",
  "create",
  "create",
  "create",
  "create",
  "symlink",
  "fifo",
  "link",
  "unlink",
  "unlink",
  "rename",
  "rename",
  "mkdir",
  "rmdir",
  "commit",
];

export const CRASH_KINDS: readonly OpName[] = [
  "mkdir",
  "create",
  "create",
  "create",
  "symlink",
  "fifo",
  "rmdir",
  "unlink",
  "unlink",
  "link",
  "rename",
  "rename",
  "write",
  "write",
  "write",
  "write",
  "truncate",
  "allocate",
  "setxattr",
  "removexattr",
  "fsync",
  "fdatasync",
  "commit",
  "open",
  "close",
  "sync",
];

export interface CrashRun {
  readonly image: Uint8Array;
  readonly seed: number;
  readonly operations: number;
  readonly kinds?: readonly OpName[];
  /** Done in place of random operations. */
  readonly script?: readonly Op[];
  /** Different names that files may have. */
  readonly names?: number;
  /** One in so many places of the log of writes is tried. */
  readonly oneIn: number;
  /** One in so many of those is given to e2fsck as well, in the file `scratch`. */
  readonly checkOneIn: number;
  readonly scratch: string;
  readonly data?: string;
}

interface Event {
  readonly op: Op;
  /** Entries of the log of writes before and after it. */
  readonly start: number;
  readonly end: number;
  /** Nodes that it may have changed. */
  readonly ids: readonly number[];
}

/** From `place` of the log on, all of `model` is permanent, but for contents that are not durable. */
interface Mark {
  readonly place: number;
  readonly events: number;
  readonly model: Model;
}

interface Past {
  readonly events: readonly Event[];
  readonly marks: readonly Mark[];
}

/** How many crashes were tried. */
export function crashRun(run: CrashRun): number {
  const random = new Random(run.seed);
  const store = new CrashStore(run.image);
  const past = live(store, run, random);
  const world = new FileWorld(4 << 20);
  let tried = 0;
  store.crashes(
    random,
    (place) => place >= past.marks[0]!.place && random.oneIn(run.oneIn),
    (image, place) => {
      const told = `seed ${run.seed}, crash at ${place} of ${store.log.length}`;
      survive(world, image, run, told, past, place);
      if (tried++ % run.checkOneIn === 0) check(image, run.scratch, told);
    },
  );
  return tried;
}

/** e2fsck finds nothing. */
export function check(image: Uint8Array, path: string, told: string): void {
  writeFileSync(path, image);
  const r = spawnSync("e2fsck", ["-fn", path]);
  assert.equal(r.status, 0, `${told}: ${r.stdout.toString()}`);
}

/** Operations on a disk that begins to fail in the middle of them. */
export interface FaultRun {
  readonly image: Uint8Array;
  readonly seed: number;
  readonly operations: number;
  readonly fault: "a read" | "a write" | "all writes" | "everything";
  /** Requests of that kind before the first fault. */
  readonly after: number;
  readonly scratch: string;
}

/**
 * While the volume is writable, an operation that met a fault has changed nothing; once
 * it is not, what was permanent stays so. True if the fault was met.
 */
export function faultRun(run: FaultRun): boolean {
  const store = new CrashStore(run.image);
  const world = new FileWorld();
  const model = new Model();
  const random = new Random(run.seed);
  populate(world, store, model, random);
  const { result, messages } = mountStore(store, "", false, world.pages);
  assert.ok(typeof result !== "number", messages.join("\n"));
  world.attach(result);
  const { tx } = (result as Ext4).volume;
  store.isTransient = run.fault === "a read" || run.fault === "a write";
  if (run.fault !== "a read") store.writesLeft = run.after;
  if (run.fault === "a read" || run.fault === "everything") store.readsLeft = run.after;
  let mark: Mark = { place: 0, events: 0, model: model.snapshot() };
  let events: Event[] = [];
  let { sequence } = tx;
  for (let i = 0; i < run.operations && !tx.isReadOnly; i++) {
    const op = model.choose(random, CRASH_KINDS, 16);
    const told = `${run.fault} after ${run.after}, seed ${run.seed}, ${i}: ${JSON.stringify(op)}`;
    const ids = nodesOf(model, op);
    const before = model.snapshot();
    const { failures } = store;
    const hasFailed = (): boolean => store.failures > failures || failures > 0;
    const r = step(world, model, op, told, hasFailed);
    events.push({ op, start: 0, end: 0, ids });
    if (r === EIO || r === EROFS) assert.ok(store.failures > 0, `${told}: ${r} without a fault`);
    if (tx.sequence === sequence) continue;
    const isExplicit = SYNCING.has(op.op) && r === 0;
    mark = { place: 0, events: 0, model: isExplicit ? model.snapshot() : before };
    events = isExplicit ? [] : events.slice(-1);
    ({ sequence } = tx);
  }
  const told = `${run.fault} after ${run.after}, seed ${run.seed}`;
  const hasMet = store.failures > 0;
  const isWhole = !tx.isReadOnly;
  store.readsLeft = Number.POSITIVE_INFINITY;
  if (isWhole) {
    store.writesLeft = Number.POSITIVE_INFINITY;
    world.compare(model, `${told}, alive`);
    assert.equal(world.detach(), 0, told);
    // What could not be freed when it lost its last name is freed now.
    const again = mountStore(store, "", false, world.pages);
    assert.ok(typeof again.result !== "number", `${told}: ${again.messages.join("\n")}`);
    assert.equal(again.result.unmount(), 0);
    check(store.bytes, run.scratch, told);
    return hasMet;
  }
  assert.match(messages.join("\n"), /Remounting filesystem read-only/);
  world.detach();
  checkReplayed(store.bytes, run.scratch, told);
  const image = store.bytes.slice();
  const past = { events, marks: [mark] };
  survive(new FileWorld(4 << 20), image, { ...run, oneIn: 1, checkOneIn: 1 }, told, past, 0);
  return hasMet;
}

/** Something to find there after the next mount, when nothing is cached. */
function populate(world: FileWorld, store: CrashStore, model: Model, random: Random): void {
  const { result, messages } = mountStore(store, "", false, world.pages);
  assert.ok(typeof result !== "number", messages.join("\n"));
  world.attach(result);
  for (let i = 0; i < 80; i++) {
    const op = model.choose(random, CRASH_KINDS, 16);
    step(world, model, op, `populate, ${i}: ${JSON.stringify(op)}`);
  }
  assert.equal(world.detach(), 0);
  model.open.length = 0;
}

/**
 * e2fsck replays the journal, and has nothing to repair then but what was on the list of
 * orphans, which it does not trust after an error.
 */
function checkReplayed(image: Uint8Array, path: string, told: string): void {
  writeFileSync(path, image);
  const r = spawnSync("e2fsck", ["-fy", path]);
  const text = r.stdout.toString();
  assert.ok(r.status === 0 || r.status === 1, `${told}: ${text}`);
  const hasOrphans = /has zero dtime|orphan/.test(text);
  const orphaned = /has zero dtime\.|orphaned|orphan linked list|bitmap differences|count wrong/;
  for (const [problem] of text.matchAll(/^.*\n?.*\? yes$/gm)) {
    assert.ok(hasOrphans && orphaned.test(problem), `${told}: ${text}`);
  }
}

function live(store: CrashStore, run: CrashRun, random: Random): Past {
  const world = new FileWorld();
  const { result, messages } = mountStore(store, run.data ?? "", false, world.pages);
  assert.ok(typeof result !== "number", messages.join("\n"));
  const { tx } = (result as Ext4).volume;
  world.attach(result);
  const model = new Model();
  const events: Event[] = [];
  const marks: Mark[] = [{ place: store.log.length, events: 0, model: model.snapshot() }];
  let { sequence } = tx;
  for (let i = 0; i < run.operations; i++) {
    const op = run.script?.[i] ?? model.choose(random, run.kinds ?? CRASH_KINDS, run.names ?? 16);
    const told = `seed ${run.seed}, ${i}: ${JSON.stringify(op)}`;
    const ids = nodesOf(model, op);
    const before = model.snapshot();
    const start = store.log.length;
    step(world, model, op, told);
    const end = store.log.length;
    assert.ok(!tx.isReadOnly, `${told}: ${messages.join("\n")}`);
    events.push({ op, start, end, ids });
    const isExplicit = SYNCING.has(op.op);
    if (tx.sequence !== sequence) {
      const permanent = isExplicit ? model.snapshot() : before;
      marks.push({ place: end, events: i + (isExplicit ? 1 : 0), model: permanent });
    } else if (op.op === "fsync" || op.op === "fdatasync") {
      // Nothing had to be committed for it: only its contents may be new.
      const last = marks.at(-1)!;
      const same = last.model.snapshot();
      const node = model.find(op.path)!;
      const twins = [...same.paths()].filter(([, twin]) => twin.id === node.id);
      assert.ok(twins.length > 0, `${told}: nothing was committed for a new file`);
      for (const [, twin] of twins) {
        assert.equal(twin.size, node.size, `${told}: nothing was committed for another size`);
        twin.written = node.written;
        twin.isDurable = true;
      }
      marks.push({ place: end, events: last.events, model: same });
    }
    ({ sequence } = tx);
  }
  world.compare(model, `seed ${run.seed}, alive`);
  assert.equal(world.detach(), 0);
  return { events, marks };
}

/** Ids of the nodes that `op` may change in themselves. */
function nodesOf(model: Model, op: Op): number[] {
  const ids: number[] = [];
  if ("path" in op && !SYNCING.has(op.op) && op.op !== "open") {
    const node = model.find(op.path);
    if (node) ids.push(node.id);
  }
  if ("to" in op) {
    const over = model.find(op.to);
    if (over) ids.push(over.id);
  }
  return ids;
}

function survive(
  world: FileWorld,
  image: Uint8Array,
  run: CrashRun,
  told: string,
  past: Past,
  place: number,
): void {
  const store = new MemoryStore(image);
  const { result, messages } = mountStore(store, run.data ?? "", false, world.pages);
  assert.ok(typeof result !== "number", `${told}: ${messages.join("\n")}`);
  world.attach(result);
  const marks = past.marks.filter((m) => m.place <= place);
  const mark = marks.at(-1)!;
  const touched = past.events.filter((e, i) => i >= mark.events && e.start <= place);
  new Inspection(world, mark.model, touched, told).directory("");
  assert.deepEqual(
    messages.filter((m) => m.includes("error (device")),
    [],
    told,
  );
  assert.equal(world.detach(), 0, told);
}

class Inspection {
  readonly #world: FileWorld;
  readonly #model: Model;
  readonly #paths: readonly string[];
  readonly #ids: ReadonlySet<number>;
  readonly #told: string;

  constructor(world: FileWorld, model: Model, touched: readonly Event[], told: string) {
    this.#world = world;
    this.#model = model;
    this.#told = told;
    const paths: string[] = [];
    for (const { op } of touched) {
      if ("to" in op) paths.push(op.to);
      if ("path" in op && NAMING.has(op.op)) paths.push(op.path);
    }
    this.#paths = paths;
    this.#ids = new Set(touched.flatMap((e) => e.ids));
  }

  directory(path: string): void {
    const names = new Set(this.#world.names(path));
    const dir = this.#model.find(path);
    for (const name of dir?.children.keys() ?? []) {
      const at = `${path}/${name}`;
      if (!this.#isTouched(at)) assert.ok(names.has(name), `${this.#told}: ${at} is lost`);
    }
    for (const name of names) this.#entry(`${path}/${name}`);
  }

  #entry(path: string): void {
    const told = `${this.#told}: ${path}`;
    const node = this.#model.find(path);
    const isTouched = this.#isTouched(path);
    if (!isTouched) assert.ok(node, `${told} should not be there`);
    const found = this.#world.lookup(path);
    assert.ok(!failed(found), `${told}: ${found}`);
    const vp = found.entry.vnode!;
    const attr = vp.getattr();
    assert.ok(!failed(attr), told);
    const kind = kindOf(attr.mode & S_IFMT);
    if (node && !isTouched) assert.equal(kind, node.kind, told);
    if (kind === "link") {
      const target = vp.readlink();
      assert.ok(typeof target === "string", told);
      assert.match(target, /^t+$/, told);
      if (node && !isTouched) assert.equal(target, node.target, told);
    }
    if (kind === "file") {
      const mode = attr.mode & 0o777;
      const bytes = this.#world.readAt(vp, 0, attr.sizeBytes);
      assert.ok(typeof bytes !== "number", `${told}: ${bytes}`);
      for (let i = 0; i < bytes.length; i++) {
        if (bytes[i] !== 0 && bytes[i] !== byteAt(mode, i)) {
          assert.fail(
            `${told}: byte ${i} of ${bytes.length} is ${bytes[i]}, which was never written`,
          );
        }
      }
    }
    if (node && !isTouched && !this.#ids.has(node.id)) this.#unchanged(path, node, told);
    this.#world.vfs.release(found);
    if (kind === "dir") this.directory(path);
  }

  /** Nothing happened to the node since the mark. */
  #unchanged(path: string, node: Node, told: string): void {
    const found = this.#world.lookup(path);
    assert.ok(!failed(found), told);
    if (node.kind === "file" && node.isDurable) this.#world.compareContents(found, node, told);
    if (node.kind !== "link" && node.kind !== "fifo") this.#world.compareXattrs(found, node, told);
    this.#world.vfs.release(found);
  }

  #isTouched(path: string): boolean {
    return this.#paths.some((t) => path === t || isWithin(path, t));
  }
}

const SYNCING: ReadonlySet<OpName> = new Set<OpName>(["fsync", "fdatasync", "sync", "commit"]);

/** Operations that change what their path leads to. */
const NAMING: ReadonlySet<OpName> = new Set<OpName>([
  "mkdir",
  "create",
  "fifo",
  "symlink",
  "rmdir",
  "unlink",
  "rename",
]);
