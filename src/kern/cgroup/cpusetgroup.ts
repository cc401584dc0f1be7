/** cpuset.cpus and cpuset.mems: of one CPU and one node, kept as they were written. */
export class CpusetGroup {
  /** As lists: "" or "0". */
  cpus = "";
  mems = "";
  exclusiveCpus = "";
  /** cpuset.cpus.partition; "member", or a root that it could not become. */
  partition = "member";
}
