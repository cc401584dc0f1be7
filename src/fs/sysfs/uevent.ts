/**
 * The `uevent` attribute of a device: what udev is told of it, and, written to, tells it once more.
 * See Linux's Documentation/ABI/testing/sysfs-uevent.
 */
import { EINVAL } from "../../abi/errno.ts";
import type { Uevents } from "../../vfs/uevents.ts";
import type { AttributeSource, SysDir } from "./nodes.ts";

const ACTIONS = ["add", "remove", "change", "move", "online", "offline", "bind", "unbind"];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const VARIABLE = /^[A-Za-z0-9]+=[A-Za-z0-9]+$/;

/** Gives the device at `path` (below /sys) its attribute; `variables` are its lines. */
export function addUevent(
  dir: SysDir,
  uevents: Uevents,
  path: string,
  subsystem: string,
  variables: readonly string[],
): void {
  dir.attribute("uevent", new Uevent(uevents, `/${path}`, subsystem, variables));
}

class Uevent implements AttributeSource {
  readonly #uevents: Uevents;
  readonly #devpath: string;
  readonly #subsystem: string;
  readonly #variables: readonly string[];

  constructor(uevents: Uevents, devpath: string, subsystem: string, variables: readonly string[]) {
    this.#uevents = uevents;
    this.#devpath = devpath;
    this.#subsystem = subsystem;
    this.#variables = variables;
  }

  text(): string {
    return this.#variables.map((v) => `${v}\n`).join("");
  }

  /** "ACTION [UUID [NAME=VALUE …]]". */
  write(text: string): number {
    const [action = "", uuid, ...more] = text.trim().split(" ");
    if (!ACTIONS.includes(action)) return EINVAL;
    if (uuid !== undefined && !UUID.test(uuid)) return EINVAL;
    if (more.some((v) => !VARIABLE.test(v))) return EINVAL;
    this.#uevents.announce(action, this.#devpath, [
      `SUBSYSTEM=${this.#subsystem}`,
      `SYNTH_UUID=${uuid ?? "0"}`,
      ...more.map((v) => `SYNTH_ARG_${v}`),
      ...this.#variables,
    ]);
    return 0;
  }
}
