/**
 * From the packages asked for to the packages needed.
 *
 * Depends and Pre-Depends are followed, Recommends are not. Of alternatives
 * the first that is chosen already wins, then the first real package, then
 * the provider of highest priority; one that conflicts with the choice so far
 * or would pull in systemd as a service manager comes last. No backtracking:
 * what is left unsatisfied or in conflict is an error that names both sides.
 * Source: Debian Policy §7, deb-control(5).
 */
import { ImageError } from "./error.ts";
import type { Package, PackageIndex } from "./packages.ts";
import { type Relation, versionSatisfies } from "./version.ts";

export interface Dependency {
  readonly name: string;
  readonly relation: Relation | undefined;
  readonly version: string | undefined;
}

/** Packages that manage services; a container-like guest has no use for them. */
const LAST_RESORT = new Set(["systemd", "systemd-sysv", "libpam-systemd", "dbus-user-session"]);
const PRIORITIES = ["required", "important", "standard", "optional", "extra"];

export interface ResolveOptions {
  /** Packages taken as they are, without what they depend on. */
  readonly bare?: readonly string[];
}

/** All packages needed for `wanted`, sorted by name. */
export function resolve(
  index: PackageIndex,
  wanted: readonly string[],
  options: ResolveOptions = {},
): Package[] {
  const resolver = new Resolver(index);
  for (const name of options.bare ?? []) resolver.take(name);
  for (const name of wanted) resolver.want(name);
  return resolver.run();
}

class Resolver {
  readonly #index: PackageIndex;
  readonly #chosen = new Map<string, Package>();
  readonly #provided = new Map<string, { by: string; version: string | undefined }[]>();
  readonly #queue: Package[] = [];

  constructor(index: PackageIndex) {
    this.#index = index;
  }

  /** Chooses a package that the user named: a real one, or the provider of a virtual one. */
  want(name: string): void {
    this.#queue.push(this.take(name));
  }

  take(name: string): Package {
    const real = this.#index.get(name);
    const p = real ?? this.#bestProvider({ name, relation: undefined, version: undefined });
    if (p === undefined) throw new ImageError(`${name}: no such package in this suite`);
    this.#choose(p);
    return p;
  }

  run(): Package[] {
    for (let p = this.#queue.shift(); p !== undefined; p = this.#queue.shift()) {
      for (const field of ["Pre-Depends", "Depends"]) {
        for (const alternatives of parseDependencies(p.control[field] ?? "")) {
          this.#satisfy(p, alternatives);
        }
      }
    }
    for (const p of this.#chosen.values()) {
      const rival = this.#conflictOf(p);
      if (rival !== undefined) {
        throw new ImageError(`${p.name} and ${rival} cannot be installed together`);
      }
    }
    return [...this.#chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #satisfy(dependent: Package, alternatives: readonly Dependency[]): void {
    if (alternatives.some((dependency) => this.#isSatisfied(dependency))) return;
    const candidates = alternatives.flatMap((dependency) => {
      const real = this.#index.get(dependency.name);
      if (real !== undefined && accepts(dependency, real.version)) return [real];
      const provider = this.#bestProvider(dependency);
      return provider === undefined ? [] : [provider];
    });
    const isGood = (p: Package) => !LAST_RESORT.has(p.name) && this.#conflictOf(p) === undefined;
    const best = candidates.find(isGood) ?? candidates[0];
    if (best === undefined) {
      const text = alternatives.map(format).join(" | ");
      throw new ImageError(`${dependent.name} needs ${text}, which this suite does not have`);
    }
    this.#choose(best);
    this.#queue.push(best);
  }

  #choose(p: Package): void {
    if (this.#chosen.has(p.name)) return;
    this.#chosen.set(p.name, p);
    for (const [{ name, version }] of parseDependencies(p.control["Provides"] ?? "")) {
      const list = this.#provided.get(name) ?? [];
      list.push({ by: p.name, version });
      this.#provided.set(name, list);
    }
  }

  #isSatisfied(dependency: Dependency): boolean {
    const real = this.#chosen.get(dependency.name);
    if (real !== undefined && accepts(dependency, real.version)) return true;
    return (this.#provided.get(dependency.name) ?? []).some((p) => accepts(dependency, p.version));
  }

  #bestProvider(dependency: Dependency): Package | undefined {
    const rank = (p: Package) =>
      (LAST_RESORT.has(p.name) ? 100 : 0) +
      (this.#conflictOf(p) === undefined ? 0 : 50) +
      PRIORITIES.indexOf(p.priority);
    return this.#index
      .providers(dependency.name)
      .filter((provider) => accepts(dependency, provider.version))
      .map((provider) => provider.package)
      .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))[0];
  }

  /** The name of a chosen package that `p` conflicts with, or that conflicts with `p`. */
  #conflictOf(p: Package): string | undefined {
    for (const other of this.#chosen.values()) {
      if (other.name !== p.name && (excludes(p, other) || excludes(other, p))) return other.name;
    }
    return undefined;
  }
}

/** Whether Conflicts or Breaks of `p` name `other`, or something `other` provides. */
function excludes(p: Package, other: Package): boolean {
  const text = [p.control["Conflicts"], p.control["Breaks"]].filter(Boolean).join(", ");
  if (text === "") return false;
  return parseDependencies(text).some((alternatives) =>
    alternatives.some((d) => {
      if (d.name === other.name) return accepts(d, other.version);
      return parseDependencies(other.control["Provides"] ?? "").some(
        ([provided]) => provided.name === d.name && accepts(d, provided.version),
      );
    }),
  );
}

/** An unversioned provision satisfies only an unversioned dependency. */
function accepts(dependency: Dependency, version: string | undefined): boolean {
  if (dependency.relation === undefined || dependency.version === undefined) return true;
  if (version === undefined) return false;
  return versionSatisfies(version, dependency.relation, dependency.version);
}

type Alternatives = [Dependency, ...Dependency[]];

/** "a (>= 1) | b, c:any" as a list of alternatives; items that cannot be read are dropped. */
function parseDependencies(text: string): Alternatives[] {
  return text.split(",").flatMap((item) => {
    const alternatives = item.split("|").flatMap((part) => {
      const m =
        /^\s*([^\s(:[<]+)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?/.exec(part);
      if (m === null) return [];
      return [{ name: m[1]!, relation: m[2] as Relation | undefined, version: m[3] }];
    });
    return alternatives.length === 0 ? [] : [alternatives as Alternatives];
  });
}

const format = (d: Dependency): string =>
  d.relation === undefined ? d.name : `${d.name} (${d.relation} ${d.version})`;
