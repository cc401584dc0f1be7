/**
 * The package index of a suite: every package that the archive offers.
 *
 * The text (some 50 MB) is cut into stanzas once; a stanza is parsed when it
 * is asked for. Source: the wiki's DebianRepository/Format, deb-control(5).
 */
import { parseStanza, type Stanza } from "./control.ts";
import { compareVersions } from "./version.ts";

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly priority: string;
  readonly isEssential: boolean;
  /** Path below the mirror, size in bytes and hash of the .deb. */
  readonly filename: string;
  readonly size: number;
  readonly sha256: string;
  /** Bytes on disk once unpacked, as the archive says. */
  readonly installedSize: number;
  readonly control: Stanza;
}

export class PackageIndex {
  readonly #text: string;
  readonly #at = new Map<string, number[]>();
  readonly #parsed = new Map<string, Package>();
  #providers: Map<string, { name: string; version: string | undefined }[]> | undefined;

  constructor(text: string) {
    this.#text = text;
    const start = /^Package: ?(\S+)$/gm;
    for (let m = start.exec(text); m !== null; m = start.exec(text)) {
      const places = this.#at.get(m[1]!);
      if (places === undefined) this.#at.set(m[1]!, [m.index]);
      else places.push(m.index);
    }
  }

  get size(): number {
    return this.#at.size;
  }

  /** The newest version of a real package. */
  get(name: string): Package | undefined {
    const known = this.#parsed.get(name);
    if (known !== undefined) return known;
    let best: Package | undefined;
    for (const at of this.#at.get(name) ?? []) {
      const p = this.#parse(at);
      if (p !== undefined && (best === undefined || compareVersions(p.version, best.version) > 0)) {
        best = p;
      }
    }
    if (best !== undefined) this.#parsed.set(name, best);
    return best;
  }

  /** Packages that provide the virtual `name`, with the provided version where one is given. */
  providers(name: string): { package: Package; version: string | undefined }[] {
    this.#providers ??= this.#findProviders();
    return (this.#providers.get(name) ?? []).flatMap(({ name: real, version }) => {
      const p = this.get(real);
      return p === undefined ? [] : [{ package: p, version }];
    });
  }

  /** Names of all packages whose stanza has the line `line`, e.g. "Essential: yes". */
  withLine(line: string): string[] {
    const names = new Set<string>();
    const needle = `\n${line}\n`;
    for (let i = this.#text.indexOf(needle); i >= 0; i = this.#text.indexOf(needle, i + 1)) {
      const name = this.#ownerOf(i);
      if (name !== undefined) names.add(name);
    }
    return [...names].sort();
  }

  #findProviders() {
    const out = new Map<string, { name: string; version: string | undefined }[]>();
    const needle = "\nProvides: ";
    for (let i = this.#text.indexOf(needle); i >= 0; i = this.#text.indexOf(needle, i + 1)) {
      const name = this.#ownerOf(i);
      if (name === undefined) continue;
      const end = this.#text.indexOf("\n", i + 1);
      const value = this.#text.slice(i + needle.length, end < 0 ? undefined : end);
      for (const item of value.split(",")) {
        const m = /^\s*([^\s(:]+)(?::\S+)?\s*(?:\(=\s*([^\s)]+)\s*\))?/.exec(item);
        if (m === null) continue;
        const list = out.get(m[1]!) ?? [];
        if (!list.some((p) => p.name === name)) list.push({ name, version: m[2] });
        out.set(m[1]!, list);
      }
    }
    return out;
  }

  #ownerOf(at: number): string | undefined {
    const gap = this.#text.lastIndexOf("\n\n", at);
    const start = this.#text.indexOf("Package:", Math.max(gap, 0));
    if (start < 0 || start > at) return undefined;
    return /^Package: ?(\S+)/.exec(this.#text.slice(start, start + 256))?.[1];
  }

  #parse(at: number): Package | undefined {
    const end = this.#text.indexOf("\n\n", at);
    const control = parseStanza(this.#text.slice(at, end < 0 ? undefined : end));
    const { Package: name, Version, Filename, SHA256 } = control;
    const size = Number(control["Size"]);
    if (!name || !Version || !Filename || !/^[0-9a-f]{64}$/.test(SHA256 ?? "")) return undefined;
    if (!Number.isSafeInteger(size) || size <= 0 || Filename.includes("..")) return undefined;
    return {
      name,
      version: Version,
      architecture: control["Architecture"] ?? "",
      priority: control["Priority"] ?? "optional",
      isEssential: control["Essential"] === "yes",
      filename: Filename,
      size,
      sha256: SHA256!,
      installedSize: (Number(control["Installed-Size"]) || 0) * 1024,
      control,
    };
  }
}
