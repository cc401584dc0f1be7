/** struct ipc64_perm, with which the *id64_ds structs of System V IPC begin. */

import type { IpcObject } from "../ipc/ipcobject.ts";
import type { Field } from "../lib/struct.ts";

interface PermFields {
  readonly key: Field<number>;
  readonly uid: Field<number>;
  readonly gid: Field<number>;
  readonly cuid: Field<number>;
  readonly cgid: Field<number>;
  readonly mode: Field<number>;
  readonly seq: Field<number>;
}

export function setPerm(layout: PermFields, view: DataView, object: IpcObject): void {
  layout.key.set(view, 0, object.key);
  layout.uid.set(view, 0, object.uid);
  layout.gid.set(view, 0, object.gid);
  layout.cuid.set(view, 0, object.cuid);
  layout.cgid.set(view, 0, object.cgid);
  layout.mode.set(view, 0, object.mode);
  layout.seq.set(view, 0, object.seq);
}
