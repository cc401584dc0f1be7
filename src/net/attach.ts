/** The network of a machine: its protocol families, tables and tunables, joined to the rest. */
import type { Cpu } from "../kern/cpu.ts";
import type { SysctlDir } from "../kern/sysctl.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { SockFs } from "./sockfs.ts";
import { NetTunables } from "./tunables.ts";
import { UnixDomain } from "./unix/domain.ts";
import { UnixReport } from "./unix/report.ts";

export function attachNet(vfs: Vfs, cpu: Cpu, sysctls: SysctlDir): void {
  const tunables = new NetTunables();
  const sockfs = new SockFs(vfs);
  const unix = new UnixDomain(vfs, cpu, sockfs, tunables);
  const { domains } = vfs;
  domains.add(unix);
  domains.addText(new UnixReport(unix));
  domains.addText(sockfs);
  tunables.addTo(sysctls);
}
