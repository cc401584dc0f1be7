/**
 * /sys/class/net and /sys/devices/virtual/net: the interfaces of the network that the
 * reader is in. They come and go by themselves, so these directories ask each time.
 */
import { ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK } from "../../abi/stat.ts";
import type { NetDevice, NetDevices } from "../../vfs/netdevices.ts";
import type { DirSink, Vnode } from "../../vfs/vnode.ts";
import { type AttributeSource, SysDir } from "./nodes.ts";
import type { Sysfs } from "./sysfs.ts";

/** Where the network is found once it is there. */
export interface NetSource {
  readonly netDevices: NetDevices | null;
}

export class NetClassDir extends SysDir {
  readonly #source: NetSource;
  readonly #devices: NetDevicesDir;

  constructor(fs: Sysfs, source: NetSource, devices: NetDevicesDir) {
    super(fs);
    this.#source = source;
    this.#devices = devices;
  }

  override lookup(name: string): Vnode | Errno {
    const known = super.lookup(name);
    if (this.#source.netDevices?.devices().some((d) => d.name === name) !== true) {
      if (known !== ENOENT) this.remove(name);
      return ENOENT;
    }
    if (known !== ENOENT) return known;
    this.addLink(name, `../../devices/virtual/net/${name}`);
    return super.lookup(name);
  }

  override readdir(offset: number, sink: DirSink): number {
    return list(this, this.#devices, this.#source, offset, sink, S_IFLNK);
  }
}

export class NetDevicesDir extends SysDir {
  readonly #source: NetSource;
  readonly #dirs = new Map<NetDevice, SysDir>();

  constructor(fs: Sysfs, source: NetSource) {
    super(fs);
    this.#source = source;
  }

  /** Directories of interfaces stay the same as long as these live. */
  override lookup(name: string): Vnode | Errno {
    const devices = this.#source.netDevices?.devices() ?? [];
    const device = devices.find((d) => d.name === name);
    if (!device) return ENOENT;
    const known = this.#dirs.get(device);
    if (known) return known;
    for (const old of this.#dirs.keys()) if (!devices.includes(old)) this.#dirs.delete(old);
    const dir = new SysDir(this.fs);
    for (const path of device.attributes) {
      const slash = path.lastIndexOf("/");
      const at = slash < 0 ? dir : dir.dir(path.slice(0, slash));
      at.attribute(path.slice(slash + 1), new NetAttribute(device, path));
    }
    dir.dir("queues/rx-0");
    dir.dir("queues/tx-0");
    dir.addLink("subsystem", "../../../../class/net");
    this.#dirs.set(device, dir);
    return dir;
  }

  override readdir(offset: number, sink: DirSink): number {
    return list(this, this, this.#source, offset, sink, S_IFDIR);
  }
}

function list(
  dir: SysDir,
  devices: NetDevicesDir,
  source: NetSource,
  offset: number,
  sink: DirSink,
  type: number,
): number {
  if (offset <= 0 && !sink.entry(".", dir.ino, S_IFDIR, 1)) return 0;
  if (offset <= 1 && !sink.entry("..", dir.ino, S_IFDIR, 2)) return 0;
  let at = 2;
  for (const { name } of source.netDevices?.devices() ?? []) {
    if (at++ < offset) continue;
    const node = devices.lookup(name);
    if (typeof node === "number") continue;
    if (!sink.entry(name, (node as Vnode).ino, type, at)) return 0;
  }
  return 0;
}

class NetAttribute implements AttributeSource {
  readonly #device: NetDevice;
  readonly #name: string;

  constructor(device: NetDevice, name: string) {
    this.#device = device;
    this.#name = name;
  }

  text(): string | Errno {
    return this.#device.attribute(this.#name);
  }
}
