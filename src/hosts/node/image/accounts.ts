/**
 * /etc/passwd, group, shadow and gshadow, from the packages' own declarations.
 *
 * base-passwd ships the static accounts as masters; packages declare more in
 * sysusers.d or create them with `adduser --system` in a maintainer script.
 * New identities count down from 999, as systemd-sysusers does. All passwords
 * are locked: the console gives a shell without one.
 * Source: passwd(5), shadow(5), sysusers.d(5), adduser(8).
 */
import type { Assembly } from "./assembly.ts";
import { readShellText, shellWords } from "./shelltext.ts";

const SHADOW_GID = 42;
const FIRST_DYNAMIC_ID = 999;
const NOBODY_GROUP = 65534;
const SECONDS_PER_DAY = 86400;

interface User {
  name: string;
  uid: number;
  gid: number;
  gecos: string;
  home: string;
  shell: string;
}

export async function writeAccounts(assembly: Assembly, scripts: readonly string[]): Promise<void> {
  const accounts = new Accounts();
  accounts.readMasters(
    await text(assembly, "/usr/share/base-passwd/passwd.master"),
    await text(assembly, "/usr/share/base-passwd/group.master"),
  );
  for (const name of assembly.list("/usr/lib/sysusers.d")) {
    if (name.endsWith(".conf")) {
      accounts.readSysusers(await text(assembly, `/usr/lib/sysusers.d/${name}`));
    }
  }
  for (const script of scripts) accounts.readScript(script);
  const root = accounts.users.get("root");
  if (root !== undefined && !assembly.has(root.shell)) root.shell = "/bin/sh";

  const day = Math.floor(assembly.time / SECONDS_PER_DAY);
  const users = [...accounts.users.values()];
  const groups = [...accounts.groups.values()];
  const lines = (list: readonly string[]) => list.map((line) => `${line}\n`).join("");
  await assembly.file(
    "/etc/passwd",
    lines(users.map((u) => [u.name, "x", u.uid, u.gid, u.gecos, u.home, u.shell].join(":"))),
  );
  await assembly.file(
    "/etc/group",
    lines(groups.map((g) => [g.name, "x", g.gid, g.members.join(",")].join(":"))),
  );
  const shadow = lines(users.map((u) => `${u.name}:*:${day}:0:99999:7:::`));
  const gshadow = lines(groups.map((g) => `${g.name}:*::${g.members.join(",")}`));
  await assembly.file("/etc/shadow", shadow, 0o640, SHADOW_GID);
  await assembly.file("/etc/gshadow", gshadow, 0o640, SHADOW_GID);
}

export class Accounts {
  readonly users = new Map<string, User>();
  readonly groups = new Map<string, { name: string; gid: number; members: string[] }>();

  readMasters(passwd: string, group: string): void {
    for (const line of passwd.split("\n")) {
      const [name, , uid, gid, gecos = "", home = "/", shell = "/bin/sh"] = line.split(":");
      if (!name || gid === undefined) continue;
      this.users.set(name, { name, uid: Number(uid), gid: Number(gid), gecos, home, shell });
    }
    for (const line of group.split("\n")) {
      const [name, , gid, members = ""] = line.split(":");
      if (!name || gid === undefined) continue;
      this.groups.set(name, {
        name,
        gid: Number(gid),
        members: members.split(",").filter(Boolean),
      });
    }
  }

  readSysusers(conf: string): void {
    for (const line of conf.split("\n")) {
      const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2]!);
      const [type, name, id = "-", gecos = "-", home = "-", shell = "-"] = words;
      if (type === undefined || name === undefined || !/^[a-z_][\w-]*$/i.test(name)) continue;
      if (type === "g") this.#group(name, number(id));
      if (type === "m") this.#member(name, id);
      if (type.replace(/[!-]$/, "") === "u") {
        const [uid, group] = id.split(":");
        this.#user(name, number(uid), group, {
          gecos: gecos === "-" ? "" : gecos,
          home: home === "-" ? "/" : home,
          shell: shell === "-" ? "/usr/sbin/nologin" : shell,
        });
      }
    }
  }

  /** Understands `adduser --system … NAME` and `addgroup --system … NAME` with literal words. */
  readScript(script: string): void {
    for (const line of readShellText(script)) {
      const call = /(?:^|[\s;&|!])(adduser|addgroup)\s+(.*--system.*)$/.exec(line);
      if (call === null || /\$/.test(call[2]!.split(/[;|&]/)[0]!)) continue;
      const options = new Map<string, string>();
      const names: string[] = [];
      const list = shellWords(call[2]!);
      for (let i = 0; i < list.length; i++) {
        const option = /^--([a-z-]+)(?:=(.*))?$/.exec(list[i]!);
        if (option === null) names.push(list[i]!);
        else if (VALUE_OPTIONS.has(option[1]!))
          options.set(option[1]!, option[2] ?? list[++i] ?? "");
        else options.set(option[1]!, "");
      }
      const [name] = names;
      if (name === undefined || !/^[a-z_][\w-]*$/i.test(name)) continue;
      if (call[1] === "addgroup") this.#group(name, undefined);
      else {
        const group = options.get("ingroup") ?? (options.has("group") ? name : undefined);
        const gecos = options.get("gecos") ?? options.get("comment") ?? "";
        this.#user(name, undefined, group ?? String(NOBODY_GROUP), {
          gecos,
          home: options.get("home") ?? "/nonexistent",
          shell: options.get("shell") ?? "/usr/sbin/nologin",
        });
      }
    }
  }

  #user(
    name: string,
    uid: number | undefined,
    group: string | undefined,
    rest: { gecos: string; home: string; shell: string },
  ): void {
    if (this.users.has(name)) return;
    const id = uid ?? this.#freeId();
    const gid = group === undefined ? this.#group(name, id) : (number(group) ?? this.#group(group));
    this.users.set(name, { name, uid: id, gid, ...rest });
  }

  #group(name: string, gid?: number): number {
    const known = this.groups.get(name);
    if (known !== undefined) return known.gid;
    const isTaken = (id: number) => [...this.groups.values()].some((g) => g.gid === id);
    const id = gid === undefined || isTaken(gid) ? this.#freeId() : gid;
    this.groups.set(name, { name, gid: id, members: [] });
    return id;
  }

  #member(user: string, group: string): void {
    this.#group(group);
    const { members } = this.groups.get(group)!;
    if (!members.includes(user)) members.push(user);
  }

  #freeId(): number {
    const used = new Set<number>();
    for (const user of this.users.values()) used.add(user.uid);
    for (const group of this.groups.values()) used.add(group.gid);
    let id = FIRST_DYNAMIC_ID;
    while (used.has(id)) id--;
    return id;
  }
}

const VALUE_OPTIONS = new Set(["home", "ingroup", "shell", "gecos", "comment", "uid", "gid"]);

const number = (word: string | undefined): number | undefined =>
  word !== undefined && /^\d+$/.test(word) ? Number(word) : undefined;

async function text(assembly: Assembly, path: string): Promise<string> {
  return (await assembly.read(path))?.toString("utf8") ?? "";
}
