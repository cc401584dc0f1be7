/**
 * fanotify(7): flags, events and their layout. Source: linux/fanotify.h.
 *
 * The bits of events that inotify has too are the same there (IN_ACCESS and so on).
 */
import { i32, struct, u8, u16, u32, u64 } from "../lib/struct.ts";
import {
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_LARGEFILE,
  O_NOATIME,
  O_NONBLOCK,
  O_SYNC,
} from "./fcntl.ts";

export const FAN_ACCESS = 0x1;
export const FAN_MODIFY = 0x2;
export const FAN_ATTRIB = 0x4;
export const FAN_CLOSE_WRITE = 0x8;
export const FAN_CLOSE_NOWRITE = 0x10;
export const FAN_OPEN = 0x20;
export const FAN_MOVED_FROM = 0x40;
export const FAN_MOVED_TO = 0x80;
export const FAN_CREATE = 0x100;
export const FAN_DELETE = 0x200;
export const FAN_DELETE_SELF = 0x400;
export const FAN_MOVE_SELF = 0x800;
export const FAN_OPEN_EXEC = 0x1000;
export const FAN_Q_OVERFLOW = 0x4000;
export const FAN_FS_ERROR = 0x8000;
export const FAN_OPEN_PERM = 0x10000;
export const FAN_ACCESS_PERM = 0x20000;
export const FAN_OPEN_EXEC_PERM = 0x40000;
export const FAN_EVENT_ON_CHILD = 0x08000000;
export const FAN_RENAME = 0x10000000;
export const FAN_ONDIR = 0x40000000;

/** What happens to names in a directory. */
export const DIRENT_EVENTS = FAN_MOVED_FROM | FAN_MOVED_TO | FAN_CREATE | FAN_DELETE | FAN_RENAME;
export const PERM_EVENTS = FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_OPEN_EXEC_PERM;
/** What happens to an open file, so that one can be given. */
export const FD_EVENTS =
  FAN_ACCESS |
  FAN_MODIFY |
  FAN_CLOSE_WRITE |
  FAN_CLOSE_NOWRITE |
  FAN_OPEN |
  FAN_OPEN_EXEC |
  PERM_EVENTS;
export const EVENT_FLAGS = FAN_ONDIR | FAN_EVENT_ON_CHILD;
/** All that one can ask for. */
export const ALL_EVENTS =
  FD_EVENTS | DIRENT_EVENTS | FAN_ATTRIB | FAN_DELETE_SELF | FAN_MOVE_SELF | FAN_FS_ERROR;
export const DIRONLY_BITS = DIRENT_EVENTS | EVENT_FLAGS;

export const FAN_CLOEXEC = 0x1;
export const FAN_NONBLOCK = 0x2;
export const FAN_CLASS_CONTENT = 0x4;
export const FAN_CLASS_PRE_CONTENT = 0x8;
export const CLASS_BITS = FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT;
export const FAN_UNLIMITED_QUEUE = 0x10;
export const FAN_UNLIMITED_MARKS = 0x20;
export const FAN_REPORT_PIDFD = 0x80;
export const FAN_REPORT_TID = 0x100;
export const FAN_REPORT_FID = 0x200;
export const FAN_REPORT_DIR_FID = 0x400;
export const FAN_REPORT_NAME = 0x800;
export const FAN_REPORT_TARGET_FID = 0x1000;
export const FID_BITS =
  FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_TARGET_FID;
/** What only CAP_SYS_ADMIN may ask for. */
export const ADMIN_INIT_FLAGS =
  CLASS_BITS | FAN_REPORT_TID | FAN_REPORT_PIDFD | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS;
export const INIT_FLAGS = ADMIN_INIT_FLAGS | FID_BITS | FAN_CLOEXEC | FAN_NONBLOCK;
/** Flags of the descriptors that events bring. */
export const EVENT_F_FLAGS =
  O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_CLOEXEC | O_LARGEFILE | O_NOATIME;

export const FAN_MARK_ADD = 0x1;
export const FAN_MARK_REMOVE = 0x2;
export const FAN_MARK_DONT_FOLLOW = 0x4;
export const FAN_MARK_ONLYDIR = 0x8;
export const FAN_MARK_MOUNT = 0x10;
export const FAN_MARK_IGNORED_MASK = 0x20;
export const FAN_MARK_IGNORED_SURV_MODIFY = 0x40;
export const FAN_MARK_FLUSH = 0x80;
export const FAN_MARK_FILESYSTEM = 0x100;
export const FAN_MARK_EVICTABLE = 0x200;
export const FAN_MARK_IGNORE = 0x400;
export const MARK_TYPE_BITS = FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM;
export const MARK_CMD_BITS = FAN_MARK_ADD | FAN_MARK_REMOVE | FAN_MARK_FLUSH;
export const MARK_IGNORE_BITS = FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORE;
export const MARK_FLAGS =
  MARK_TYPE_BITS |
  MARK_CMD_BITS |
  MARK_IGNORE_BITS |
  FAN_MARK_DONT_FOLLOW |
  FAN_MARK_ONLYDIR |
  FAN_MARK_IGNORED_SURV_MODIFY |
  FAN_MARK_EVICTABLE;

export const FAN_ALLOW = 1;
export const FAN_DENY = 2;
export const FAN_INFO = 0x20;
export const FAN_NOFD = -1;
export const FAN_NOPIDFD = -1;
export const FAN_EPIDFD = -2;
export const FAN_RESPONSE_INFO_AUDIT_RULE = 1;

export const FAN_EVENT_INFO_TYPE_FID = 1;
export const FAN_EVENT_INFO_TYPE_DFID_NAME = 2;
export const FAN_EVENT_INFO_TYPE_DFID = 3;
export const FAN_EVENT_INFO_TYPE_PIDFD = 4;
export const FAN_EVENT_INFO_TYPE_ERROR = 5;
export const FAN_EVENT_INFO_TYPE_OLD_DFID_NAME = 10;
export const FAN_EVENT_INFO_TYPE_NEW_DFID_NAME = 12;

export const FANOTIFY_METADATA_VERSION = 3;
export const FanotifyEventMetadata = struct({
  event_len: u32,
  vers: u8,
  reserved: u8,
  metadata_len: u16,
  mask: u64,
  fd: i32,
  pid: i32,
});
/** struct fanotify_event_info_fid, before the handle's bytes and the name. */
export const FanotifyInfoFid = struct({
  info_type: u8,
  pad: u8,
  len: u16,
  fsid0: i32,
  fsid1: i32,
  handle_bytes: u32,
  handle_type: i32,
});
export const FanotifyInfoPidfd = struct({ info_type: u8, pad: u8, len: u16, pidfd: i32 });
export const FanotifyInfoError = struct({
  info_type: u8,
  pad: u8,
  len: u16,
  error: i32,
  error_count: u32,
});
export const FanotifyResponse = struct({ fd: i32, response: u32 });
/** struct fanotify_response_info_audit_rule, which may follow a response. */
export const FanotifyAuditRule = struct({
  type: u8,
  pad: u8,
  len: u16,
  rule_number: u32,
  subj_trust: u32,
  obj_trust: u32,
});
