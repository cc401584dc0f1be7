/** A UTS name space: what the machine is called by those in it. See uts_namespaces(7), uname(2). */
import { type Charge, Namespace } from "./namespace.ts";
import type { UserNamespace } from "./userns.ts";

export class UtsNamespace extends Namespace {
  readonly kind = "uts";
  hostname: string;
  domainname: string;

  constructor(
    ino: number,
    owner: UserNamespace,
    charge: Charge | null,
    names: { readonly hostname: string; readonly domainname: string },
  ) {
    super(ino, owner, charge);
    this.hostname = names.hostname;
    this.domainname = names.domainname;
  }
}
