/**
 * What a fanotify(7) file holds for its reader: an event, and the bytes of it.
 *
 * An event names what it is about by an open file (`path`) or by handles
 * (`dir`, `toDir`, `object`), as its group asked for. It holds its path until
 * it is dropped.
 */
import {
  DIRENT_EVENTS,
  FAN_EVENT_INFO_TYPE_DFID,
  FAN_EVENT_INFO_TYPE_DFID_NAME,
  FAN_EVENT_INFO_TYPE_ERROR,
  FAN_EVENT_INFO_TYPE_FID,
  FAN_EVENT_INFO_TYPE_NEW_DFID_NAME,
  FAN_EVENT_INFO_TYPE_OLD_DFID_NAME,
  FAN_EVENT_INFO_TYPE_PIDFD,
  FAN_FS_ERROR,
  FAN_ONDIR,
  FAN_RENAME,
  FAN_REPORT_FID,
  FAN_REPORT_NAME,
  FAN_REPORT_PIDFD,
  FANOTIFY_METADATA_VERSION,
  FanotifyEventMetadata,
  FanotifyInfoError,
  FanotifyInfoFid,
  FanotifyInfoPidfd,
  FID_BITS,
} from "../abi/fanotify.ts";
import { type FileHandle, fidOf } from "../vfs/filehandle.ts";
import { type Path, releasePath } from "../vfs/path.ts";
import type { Vnode } from "../vfs/vnode.ts";
import type { Pid } from "./pid.ts";

/** What an event without its names takes, about. */
const EVENT_BYTES = 400;

/** A file by the number of its file system and its handle there. */
export interface Fid {
  readonly fsid: number;
  readonly handle: FileHandle;
}

export function fid(vp: Vnode): Fid {
  return { fsid: vp.fs.dev, handle: fidOf(vp) };
}

/** Whose doing an event was: its id, or its thread's, and that of the process. */
export interface Doer {
  readonly id: Pid;
  readonly process: Pid;
}

export interface EventSubject {
  readonly path?: Path | null;
  readonly dir?: Fid | null;
  readonly name?: string;
  readonly toDir?: Fid | null;
  readonly toName?: string;
  readonly object?: Fid | null;
}

export class FanotifyEvent {
  mask: number;
  readonly who: Doer | null;
  /** Held. */
  readonly path: Path | null;
  readonly dir: Fid | null;
  readonly name: string;
  readonly toDir: Fid | null;
  readonly toName: string;
  readonly object: Fid | null;
  /** Of FAN_FS_ERROR: what went wrong first, and how often. */
  error = 0;
  errorCount: number;

  constructor(mask: number, who: Doer | null, subject: EventSubject) {
    this.mask = mask;
    this.errorCount = (mask & FAN_FS_ERROR) !== 0 ? 1 : 0;
    this.who = who;
    this.path = subject.path ?? null;
    this.dir = subject.dir ?? null;
    this.name = subject.name ?? "";
    this.toDir = subject.toDir ?? null;
    this.toName = subject.toName ?? "";
    this.object = subject.object ?? null;
  }

  /** What it takes, about. */
  get bytes(): number {
    return EVENT_BYTES + this.name.length + this.toName.length;
  }

  /** What equal events have in common, but for the path; see `isLike`. */
  get key(): string {
    const isError = (this.mask & FAN_FS_ERROR) !== 0;
    if (isError) return `error ${this.object?.fsid}`;
    return `${this.mask & FAN_ONDIR} ${keyOf(this.object)} ${keyOf(this.dir)} ${this.name}`;
  }

  /** True if `later`, with the same key, is about the same place and by the same. */
  isLike(later: FanotifyEvent): boolean {
    if ((this.mask & FAN_FS_ERROR) !== 0) return true;
    return this.who?.id === later.who?.id && later.path?.mount === this.path?.mount;
  }

  drop(): void {
    if (this.path) releasePath(this.path);
  }
}

function keyOf(f: Fid | null): string {
  return f ? `${f.fsid}:${f.handle.type}:${f.handle.bytes.join()}` : "";
}

/** The length of an event as a group of these flags reads it. */
export function eventLength(e: FanotifyEvent, flags: number): number {
  let n = FanotifyEventMetadata.sizeof;
  for (const r of records(e, flags)) n += recordLength(r);
  if ((flags & FAN_REPORT_PIDFD) !== 0 && e.who) n += FanotifyInfoPidfd.sizeof;
  if ((e.mask & FAN_FS_ERROR) !== 0) n += FanotifyInfoError.sizeof;
  return n;
}

/** The event with its descriptor, the number of whose doing it was, and the pidfd of that. */
export function encodeEvent(
  e: FanotifyEvent,
  flags: number,
  fd: number,
  pid: number,
  pidfd: number,
): Uint8Array {
  const out = new Uint8Array(eventLength(e, flags));
  const view = new DataView(out.buffer);
  FanotifyEventMetadata.event_len.set(view, 0, out.length);
  FanotifyEventMetadata.vers.set(view, 0, FANOTIFY_METADATA_VERSION);
  FanotifyEventMetadata.metadata_len.set(view, 0, FanotifyEventMetadata.sizeof);
  FanotifyEventMetadata.mask.set(view, 0, e.mask);
  FanotifyEventMetadata.fd.set(view, 0, fd);
  FanotifyEventMetadata.pid.set(view, 0, pid);
  let at = FanotifyEventMetadata.sizeof;
  for (const r of records(e, flags)) at += putRecord(out, view, at, r);
  if ((flags & FAN_REPORT_PIDFD) !== 0 && e.who) {
    FanotifyInfoPidfd.info_type.set(view, at, FAN_EVENT_INFO_TYPE_PIDFD);
    FanotifyInfoPidfd.len.set(view, at, FanotifyInfoPidfd.sizeof);
    FanotifyInfoPidfd.pidfd.set(view, at, pidfd);
    at += FanotifyInfoPidfd.sizeof;
  }
  if ((e.mask & FAN_FS_ERROR) !== 0) {
    FanotifyInfoError.info_type.set(view, at, FAN_EVENT_INFO_TYPE_ERROR);
    FanotifyInfoError.len.set(view, at, FanotifyInfoError.sizeof);
    FanotifyInfoError.error.set(view, at, e.error);
    FanotifyInfoError.error_count.set(view, at, e.errorCount);
  }
  return out;
}

interface FidRecord {
  readonly type: number;
  readonly fid: Fid;
  readonly name: string;
}

/** Directory and name first, then where it went, then the file itself. */
function records(e: FanotifyEvent, flags: number): readonly FidRecord[] {
  const out: FidRecord[] = [];
  const isRename = (e.mask & FAN_RENAME) !== 0;
  if (e.dir) {
    let type = e.name === "" ? FAN_EVENT_INFO_TYPE_DFID : FAN_EVENT_INFO_TYPE_DFID_NAME;
    if (isRename) type = FAN_EVENT_INFO_TYPE_OLD_DFID_NAME;
    out.push({ type, fid: e.dir, name: e.name });
  }
  if (e.toDir) out.push({ type: FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, fid: e.toDir, name: e.toName });
  if (!e.object) return out;
  const isOfDir = (e.mask & FAN_ONDIR) !== 0;
  const isOnlyFid = (flags & FID_BITS) === FAN_REPORT_FID;
  if (isOnlyFid || out.length > 0) {
    out.push({ type: FAN_EVENT_INFO_TYPE_FID, fid: e.object, name: "" });
  } else if ((flags & FAN_REPORT_NAME) !== 0 && isOfDir) {
    out.push({ type: FAN_EVENT_INFO_TYPE_DFID_NAME, fid: e.object, name: "." });
  } else {
    const isDir = isOfDir || (e.mask & DIRENT_EVENTS) !== 0;
    const type = isDir ? FAN_EVENT_INFO_TYPE_DFID : FAN_EVENT_INFO_TYPE_FID;
    out.push({ type, fid: e.object, name: "" });
  }
  return out;
}

function recordLength({ fid: f, name }: FidRecord): number {
  const named = name === "" ? 0 : name.length + 1;
  return (FanotifyInfoFid.sizeof + f.handle.bytes.length + named + 3) & ~3;
}

function putRecord(out: Uint8Array, view: DataView, at: number, r: FidRecord): number {
  const length = recordLength(r);
  const { fsid, handle } = r.fid;
  FanotifyInfoFid.info_type.set(view, at, r.type);
  FanotifyInfoFid.len.set(view, at, length);
  FanotifyInfoFid.fsid0.set(view, at, fsid);
  FanotifyInfoFid.handle_bytes.set(view, at, handle.bytes.length);
  FanotifyInfoFid.handle_type.set(view, at, handle.type);
  const bytesAt = at + FanotifyInfoFid.sizeof;
  out.set(handle.bytes, bytesAt);
  const nameAt = bytesAt + handle.bytes.length;
  for (let i = 0; i < r.name.length; i++) out[nameAt + i] = r.name.charCodeAt(i);
  return length;
}
