/**
 * Building an image: recipe → packages → cache → ext4 file.
 *
 * The work happens under the cache's lock in a file of its own; the finished
 * image appears by rename. The same inputs (packages, recipe, options and
 * the builder's code) need no new build.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeAccounts } from "./accounts.ts";
import { type Alternative, parseAlternatives, writeAlternatives } from "./alternatives.ts";
import { ARCHITECTURE, Archive, verified } from "./archive.ts";
import { Assembly } from "./assembly.ts";
import { linkApplets } from "./busybox.ts";
import { type Cache, names, sha256File } from "./cache.ts";
import { configureSystem } from "./configure.ts";
import { Deb } from "./deb.ts";
import { conffilesOf, type InstalledPackage, writeDpkgDatabase } from "./dpkgdb.ts";
import { ImageError, UsageError } from "./error.ts";
import { Ext4Writer } from "./ext4/writer.ts";
import { findImage, imagePath, imageState, publishImage } from "./images.ts";
import { takeLock } from "./lock.ts";
import { checkName, type Manifest } from "./manifest.ts";
import { mirrors } from "./mirror.ts";
import type { Package, PackageIndex } from "./packages.ts";
import { addCompiled, compilePython, hasPython, pythonKey } from "./precompile.ts";
import type { Progress } from "./progress.ts";
import { RECIPES, type Recipe } from "./recipes.ts";
import { findKeyring } from "./release.ts";
import { resolve } from "./resolve.ts";
import { runScripts } from "./scripts.ts";

export interface BuildOptions {
  readonly name: string;
  /** A recipe's name; by default the image's own name if it is one, else "minimal". */
  readonly from?: string | undefined;
  readonly include?: readonly string[];
  /** Size of the image in bytes. */
  readonly size?: number | undefined;
  readonly mirror?: string | undefined;
  readonly suite?: string | undefined;
  readonly keyring?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly cache: Cache;
  readonly progress: Progress;
  /** How to run a command in an image (appended: options, path, "--", words); needed for what follows. */
  readonly guest?: readonly string[] | undefined;
  /** Whether Python's library is compiled in a guest. */
  readonly compilesPython?: boolean;
  /** Whether the packages' maintainer scripts are run in a guest. */
  readonly runsScripts?: boolean;
  /** How long to wait for another builder. */
  readonly lockWaitMs?: number;
}

const DEFAULT_MAX_BYTES = 8 * 2 ** 30;
/** Room for what maintainer scripts make: bytecode, locales, databases. */
const SCRIPTS_FREE_BYTES = 2 ** 30;

/** Builds the image and returns its manifest; an unchanged one is not built again. */
export async function buildImage(options: BuildOptions): Promise<Manifest> {
  checkName(options.name);
  const recipeName = options.from ?? (options.name in RECIPES ? options.name : "minimal");
  const recipe = RECIPES[recipeName];
  if (recipe === undefined || !Object.hasOwn(RECIPES, recipeName)) {
    const known = Object.keys(RECIPES).join(", ");
    throw new UsageError(`${recipeName}: no such recipe (there are: ${known})`);
  }
  const { cache, progress } = options;
  const suite = options.suite ?? "trixie";
  const keyring = findKeyring(options.keyring, options.env);
  const list = mirrors({ mirror: options.mirror, env: options.env });
  const release = await takeLock(cache.lock, options.lockWaitMs ?? 0);
  try {
    await removeLeftovers(cache);
    const archive = await Archive.open({ mirrors: list, suite, keyring, cache, progress });
    const index = await archive.packages();
    const packages = choosePackages(index, recipe, options);
    const inputs = await hashInputs(archive, recipeName, recipe, packages, options);
    const present = await findImage(cache, options.name).catch(() => undefined);
    const state = present === undefined ? "gone" : await imageState(cache, present);
    if (present?.inputs === inputs && state !== "gone") return present;
    if (state === "changed") {
      throw new ImageError(
        `${options.name}: has been written to since it was built; remove it first ` +
          `(vkernel image rm ${options.name}) or build under another name`,
      );
    }
    await archive.fetch(packages);
    const plan = { archive, recipe, recipeName, packages, inputs, suite };
    const compiles = options.compilesPython === true && options.runsScripts !== true;
    if (!compiles || options.guest === undefined || !hasPython(packages)) {
      return await write(options, plan);
    }
    const archivePath = join(cache.root, "pyc", `${pythonKey(packages)}.tar`);
    if (!existsSync(archivePath)) {
      const plain = await write(options, { ...plan, inputs: `${inputs}-plain` });
      progress.note("compiling Python's library in the guest (once for each version)");
      await compilePython(options.guest, imagePath(cache, plain), archivePath);
    }
    return await write(options, { ...plan, pycPath: archivePath });
  } finally {
    await release();
  }
}

function choosePackages(
  index: PackageIndex,
  recipe: Recipe,
  { include = [], runsScripts = false }: BuildOptions,
): Package[] {
  // Scripts may use whatever essential packages have.
  const base =
    recipe.isFull || runsScripts
      ? [...index.withLine("Essential: yes"), ...index.withLine("Priority: required")]
      : [];
  return resolve(index, [...base, ...recipe.packages, ...include], { bare: recipe.bare });
}

interface Plan {
  readonly archive: Archive;
  readonly recipe: Recipe;
  readonly recipeName: string;
  readonly packages: readonly Package[];
  readonly inputs: string;
  readonly suite: string;
  /** A tar of compiled Python modules to put in. */
  readonly pycPath?: string;
}

async function write(options: BuildOptions, plan: Plan): Promise<Manifest> {
  const { cache, progress, name } = options;
  const { archive, recipe, packages } = plan;
  await mkdir(cache.building, { recursive: true });
  const temporary = join(cache.building, `${name}.${process.pid}.tmp`);
  const file = await open(temporary, "w+");
  try {
    const identity = createHash("sha256").update(plan.inputs).digest();
    const uuid = uuidOf(identity);
    const writer = new Ext4Writer(file, {
      uuid,
      label: name,
      time: archive.release.time,
      maxBytes: options.size ?? DEFAULT_MAX_BYTES,
    });
    const assembly = new Assembly(file, writer, archive.release.time);
    progress.start("unpacking", packages.length, "packages");
    const installed: InstalledPackage[] = [];
    for (const p of unpackOrder(packages)) {
      installed.push(await install(cache, assembly, p));
      progress.advance(1);
    }
    progress.finish();
    installed.sort((a, b) => (a.package.name < b.package.name ? -1 : 1));
    await configure(assembly, installed, plan, options, uuidText(uuid));
    if (plan.pycPath !== undefined) await addCompiled(assembly, plan.pycPath);
    const runsScripts = options.runsScripts === true && options.guest !== undefined;
    const free = Math.max(recipe.freeBytes, runsScripts ? SCRIPTS_FREE_BYTES : 0);
    const room = options.size === undefined ? { free } : { free, size: options.size };
    const size = await writer.finish(assembly.tree.root, room);
    await file.sync();
    if (runsScripts) await runScripts(options.guest!, temporary, packages.length, progress);
    const sha256 = await sha256File(temporary);
    const manifest: Manifest = {
      name,
      file: `${name}-${sha256.slice(0, 12)}.img`,
      sha256,
      size,
      mtimeMs: (await file.stat()).mtimeMs,
      built: new Date().toISOString(),
      suite: plan.suite,
      codename: archive.release.codename,
      recipe: plan.recipeName,
      include: options.include ?? [],
      inputs: plan.inputs,
      packages: packages.map((p) => ({ name: p.name, version: p.version, sha256: p.sha256 })),
    };
    await publishImage(cache, temporary, manifest);
    return manifest;
  } finally {
    await file.close();
    await rm(temporary, { force: true });
  }
}

async function install(cache: Cache, assembly: Assembly, p: Package): Promise<InstalledPackage> {
  await verified(cache, p.sha256, p.name);
  try {
    const deb = await Deb.open(cache.object(p.sha256));
    const control = await deb.control();
    const unpacked = await assembly.unpack(deb.data(), conffilesOf(control));
    return { package: p, control, unpacked };
  } catch (e) {
    if (e instanceof ImageError) throw new ImageError(`${p.name}: ${e.message}`);
    throw e;
  }
}

/** base-files first: it brings the links of the merged /usr. */
function unpackOrder(packages: readonly Package[]): Package[] {
  const isFirst = (p: Package) => p.name === "base-files";
  return [...packages.filter(isFirst), ...packages.filter((p) => !isFirst(p))];
}

async function configure(
  assembly: Assembly,
  installed: readonly InstalledPackage[],
  plan: Plan,
  options: BuildOptions,
  uuid: string,
) {
  const scripts = installed.flatMap(({ control }) => {
    const postinst = control.get("postinst");
    return postinst === undefined ? [] : [Buffer.from(postinst.data).toString("utf8")];
  });
  const alternatives = scripts.flatMap((script): Alternative[] => parseAlternatives(script));
  await writeAlternatives(assembly, alternatives);
  await linkApplets(assembly, plan.recipe.applets);
  await configureSystem(assembly, {
    shell: plan.recipe.shell,
    hostname: "vkernel",
    mirror: plan.archive.mirror,
    suite: plan.suite,
    uuid,
  });
  await writeAccounts(assembly, scripts);
  const state = options.runsScripts === true ? "unpacked" : "installed";
  await writeDpkgDatabase(assembly, installed, ARCHITECTURE, state);
}

async function hashInputs(
  archive: Archive,
  recipeName: string,
  recipe: Recipe,
  packages: readonly Package[],
  options: BuildOptions,
): Promise<string> {
  const inputs = [
    await builderHash(),
    options.name,
    archive.mirror,
    archive.release.time,
    recipeName,
    recipe,
    options.size ?? null,
    options.guest !== undefined && options.compilesPython === true,
    options.guest !== undefined && options.runsScripts === true,
    packages.map((p) => [p.name, p.version, p.sha256]),
  ];
  return createHash("sha256").update(JSON.stringify(inputs)).digest("hex");
}

/** The builder's own code is an input too: a changed builder builds anew. */
async function builderHash(): Promise<string> {
  const hash = createHash("sha256");
  const here = import.meta.dirname;
  for (const dir of [here, join(here, "ext4")]) {
    for (const file of await names(dir)) {
      if (/\.[jt]s$/.test(file)) hash.update(await readFile(join(dir, file)));
    }
  }
  return hash.digest("hex");
}

/** A version-4-like UUID made of a hash, so that the same inputs give the same image. */
function uuidOf(hash: Uint8Array): Uint8Array {
  const uuid = hash.slice(0, 16);
  uuid[6] = (uuid[6]! & 0x0f) | 0x40;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}

/** As blkid(8) writes it. */
function uuidText(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** What killed builders left: images under way. Downloads under way stay, to be resumed. */
async function removeLeftovers(cache: Cache): Promise<void> {
  for (const dir of [cache.building, cache.images]) {
    for (const file of await names(dir)) {
      if (file.endsWith(".tmp")) await rm(join(dir, file), { force: true });
    }
  }
}
