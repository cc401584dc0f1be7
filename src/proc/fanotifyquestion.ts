/**
 * fanotify(7)'s questions: who asked sleeps until the reader of the event writes its answer, or closes the file,
 * which allows all.
 */
import { EFAULT, EINVAL } from "../abi/errno.ts";
import {
  FAN_ALLOW,
  FAN_DENY,
  FAN_INFO,
  FAN_NOFD,
  FAN_RESPONSE_INFO_AUDIT_RULE,
  FanotifyAuditRule,
  FanotifyResponse,
} from "../abi/fanotify.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { FileEvent } from "../vfs/mark.ts";
import { holdPath } from "../vfs/path.ts";
import type { Question } from "../vfs/permission.ts";
import type { Vnode } from "../vfs/vnode.ts";
import type { Uio } from "../vm/uio.ts";
import { type Doer, FanotifyEvent } from "./fanotifyevent.ts";
import type { EventQueue } from "./fanotifyqueue.ts";
import type { Lwp } from "./lwp.ts";

/** What somebody wants to know before he goes on. */
export class PermissionEvent extends FanotifyEvent implements Question {
  /** Where it waits to be read: of one file. */
  readonly queue: EventQueue;
  readonly vp: Vnode;
  readonly td: Lwp;
  readonly answered = new WaitQueue();
  answer = 0;
  /** The descriptor that the reader got with it; -1 while it was not read. */
  fd = FAN_NOFD;
  #isWithdrawn = false;

  constructor(queue: EventQueue, mask: number, who: Doer | null, event: FileEvent, td: Lwp) {
    super(mask, who, { path: holdPath(event.path!) });
    this.queue = queue;
    this.vp = event.vp;
    this.td = td;
  }

  sleep(): number {
    this.td.isUninterruptible = true;
    return this.td.sleep(this.answered, "fanotify_response");
  }

  settle(answer: number): void {
    this.answer = answer;
    if (this.#isWithdrawn) return;
    this.td.isUninterruptible = false;
    this.answered.wakeup();
  }

  withdraw(): void {
    if (this.#isWithdrawn) return;
    this.#isWithdrawn = true;
    this.td.isUninterruptible = false;
    this.queue.forget(this);
  }
}

/** What was written to the file, struct fanotify_response: an answer, nothing but its form to look at, or why not. */
export function readAnswer(uio: Uio): { fd: number; answer: number } | number {
  const bytes = new Uint8Array(FanotifyResponse.sizeof);
  if (uio.resid < bytes.length) return EINVAL;
  if (uio.copyin(bytes) < bytes.length) return EFAULT;
  const view = new DataView(bytes.buffer);
  const fd = FanotifyResponse.fd.get(view, 0);
  const response = FanotifyResponse.response.get(view, 0);
  const answer = response & ~FAN_INFO;
  if (answer !== FAN_ALLOW && answer !== FAN_DENY) return EINVAL;
  if ((response & FAN_INFO) !== 0) {
    const r = checkInfo(uio);
    if (r < 0 || fd === FAN_NOFD) return r;
  }
  return fd < 0 ? EINVAL : { fd, answer };
}

/** struct fanotify_response_info_audit_rule: nobody keeps an audit here, but it must be one. */
function checkInfo(uio: Uio): number {
  const bytes = new Uint8Array(FanotifyAuditRule.sizeof);
  if (uio.resid !== bytes.length) return EINVAL;
  if (uio.copyin(bytes) < bytes.length) return EFAULT;
  const view = new DataView(bytes.buffer);
  if (FanotifyAuditRule.type.get(view, 0) !== FAN_RESPONSE_INFO_AUDIT_RULE) return EINVAL;
  if (FanotifyAuditRule.pad.get(view, 0) !== 0) return EINVAL;
  return FanotifyAuditRule.len.get(view, 0) === bytes.length ? 0 : EINVAL;
}
