/** struct ipc64_perm, with which the *id64_ds structs of System V IPC begin. */

import type { IpcObject } from "../ipc/ipcobject.ts";
import type { Field } from "../lib/struct.ts";
import type { Lwp } from "../proc/lwp.ts";

/** IPC_SET: whom the caller means; NO_ID for who is nobody. */
export function owner(td: Lwp, layout: PermFields, view: DataView): readonly [number, number] {
  const { userns } = td.cred;
  return [userns.kuid(layout.uid.get(view, 0)), userns.kgid(layout.gid.get(view, 0))];
}

interface PermFields {
  readonly key: Field<number>;
  readonly uid: Field<number>;
  readonly gid: Field<number>;
  readonly cuid: Field<number>;
  readonly cgid: Field<number>;
  readonly mode: Field<number>;
  readonly seq: Field<number>;
}

/** As the caller's user name space knows the owners. */
export function setPerm(td: Lwp, layout: PermFields, view: DataView, object: IpcObject): void {
  const { userns } = td.cred;
  layout.key.set(view, 0, object.key);
  layout.uid.set(view, 0, userns.shownUid(object.uid));
  layout.gid.set(view, 0, userns.shownGid(object.gid));
  layout.cuid.set(view, 0, userns.shownUid(object.cuid));
  layout.cgid.set(view, 0, userns.shownGid(object.cgid));
  layout.mode.set(view, 0, object.mode);
  layout.seq.set(view, 0, object.seq);
}
