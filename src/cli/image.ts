/**
 * `vkernel image`: builds, lists, checks and removes disk images.
 *
 * Answers go to stdout, progress and the one line of an error to stderr.
 * Exit status: 0, 1 when it cannot be done, 64 when the command line is wrong.
 */
import { stat } from "node:fs/promises";
import { parseArgs } from "node:util";
import { cacheRoot } from "../hosts/node/cacheroot.ts";
import { buildImage } from "../hosts/node/image/build.ts";
import { Cache } from "../hosts/node/image/cache.ts";
import { ensureImage as ensure } from "../hosts/node/image/ensure.ts";
import { hostErrorLine, ImageError, UsageError } from "../hosts/node/image/error.ts";
import {
  imagePath as fileOf,
  findImage,
  listImages,
  removeImage,
  verifyImage,
} from "../hosts/node/image/images.ts";
import { takeLock } from "../hosts/node/image/lock.ts";
import { StreamProgress } from "../hosts/node/image/progress.ts";
import { RECIPES } from "../hosts/node/image/recipes.ts";
import { EX_FAILURE, EX_USAGE } from "./exitcodes.ts";
import { answer, complain, fileError, OutputError } from "./report.ts";

/** Of diff(1): neither the same nor different. */
const EX_TROUBLE = 2;
const MIN_SIZE = 16 * 2 ** 20;
const UNITS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

const recipes = Object.entries(RECIPES)
  .map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`)
  .join("\n");

const HELP = `usage: vkernel image build NAME [--include PKG,...] [options]
       vkernel image ls | path NAME | rm NAME | verify [NAME]
       vkernel image diff BASE OVERLAY | commit OVERLAY [BASE]

Makes ext4 disk images of Debian riscv64 packages, to boot with "vkernel -R" (or a copy with "-r").

  build NAME   build the image NAME, or nothing if it is up to date
  ls           list images: name, size, suite, packages, date
  path NAME    print the path of an image's file
  rm NAME      remove an image (downloaded packages stay)
  verify       check images and the packages they were made of against their hashes,
               and the file system with e2fsck where there is one
  diff         print what an overlay (of -R ...,overlay=FILE) or another image changes in
               BASE: offset and length of each range; status 1 if there is any, 2 on errors
  commit       write what OVERLAY holds to its base, and empty it; other overlays of that
               base are void then. To discard an overlay, remove its file

Recipes: an image of this name is built from it; others are based on "minimal".
${recipes}

Options of build:
  --include PKG,...  more packages, with everything they depend on (may be repeated)
  --from RECIPE      base another image on this recipe
  --compile-python   have the image's Python compile its library once, in a guest: takes
                     minutes, then Python starts ten times as fast
  --configure        run the packages' maintainer scripts in a guest, as dpkg does when it
                     installs them: users, services, databases and caches are then as on any
                     Debian. Takes minutes; essential packages come along
  --size SIZE        size of the image, e.g. 512M or 4G (default: contents plus free space)
  --mirror URL       Debian mirror (default: $VKERNEL_MIRROR, else what apt on this machine uses)
  --suite SUITE      Debian suite (default: trixie)
  --keyring FILE     keys to trust (default: $VKERNEL_KEYRING, else Debian's archive keyring)

Examples:
  vkernel image build minimal
  vkernel image build dev --from debian --include gcc,make,git,libc6-dev
  vkernel image build web --from systemd --include nginx,postgresql,openssh-server --configure
  vkernel -R "$(vkernel image path dev)"

Packages are kept, verified, in $XDG_CACHE_HOME/vkernel (default ~/.cache/vkernel);
an interrupted download is resumed by the next build.
`;

/** Runs the subcommand with the arguments after "image"; returns the exit status. */
export async function imageCommand(argv: string[]): Promise<number> {
  try {
    return await run(argv);
  } catch (e) {
    const line = e instanceof ImageError ? e.message : hostErrorLine(e);
    if (line === undefined) throw e;
    if (!(e instanceof UsageError)) {
      complain(line);
      return EX_FAILURE;
    }
    complain(`${line} (vkernel image --help for help)`);
    return EX_USAGE;
  }
}

/** The path of the image `name`, built first if it is missing; progress goes to stderr. */
export function ensureImage(name: string): Promise<string> {
  return ensure(name, { progress: new StreamProgress(process.stderr) });
}

async function run(argv: string[]): Promise<number> {
  const { values, positionals } = parse(argv);
  const [verb, ...names] = positionals;
  if (values.help === true || verb === "help") {
    answer(HELP);
    return 0;
  }
  const cache = new Cache(cacheRoot(process.env));
  switch (verb) {
    case "build":
      return await build(cache, one(verb, names), values);
    case "ls":
      return await ls(cache, names);
    case "path":
      answer(`${fileOf(cache, await existing(cache, one(verb, names)))}\n`);
      return 0;
    case "rm":
      return await remove(cache, one(verb, names));
    case "verify":
      return await verify(cache, names);
    case "diff": {
      const [base, overlay] = atMost(verb, names, 2);
      if (overlay === undefined) throw new UsageError("diff takes a base and an overlay");
      return await imageTool((tool) => tool.diffImages(base!, overlay), EX_TROUBLE);
    }
    case "commit": {
      const [overlay, base] = atMost(verb, names, 2);
      if (overlay === undefined) throw new UsageError("commit takes an overlay");
      return await imageTool((tool) => tool.commitOverlay(overlay, base), EX_FAILURE);
    }
    case undefined:
      throw new UsageError("say what to do: build, ls, path, rm, verify, diff or commit");
    default:
      throw new UsageError(`${verb}: no such command`);
  }
}

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  include: { type: "string", multiple: true },
  from: { type: "string" },
  "compile-python": { type: "boolean" },
  configure: { type: "boolean" },
  size: { type: "string" },
  mirror: { type: "string" },
  suite: { type: "string" },
  keyring: { type: "string" },
} as const;

type Values = ReturnType<typeof parse>["values"];

function parse(argv: string[]) {
  try {
    return parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
  } catch (e) {
    const [first] = (e as Error).message.split(". ");
    throw new UsageError(first!.charAt(0).toLowerCase() + first!.slice(1));
  }
}

async function build(cache: Cache, name: string, values: Values): Promise<number> {
  const include = (values.include ?? []).flatMap((list) => list.split(",")).map((p) => p.trim());
  const odd = include.find((p) => !/^[a-z0-9][a-z0-9+.-]*$/.test(p));
  if (odd !== undefined) throw new UsageError(`"${odd}": not a package's name`);
  const manifest = await buildImage({
    name,
    include,
    from: values.from,
    size: values.size === undefined ? undefined : parseSize(values.size),
    mirror: values.mirror,
    suite: values.suite,
    keyring: values.keyring,
    guest: guestCommand(),
    compilesPython: values["compile-python"] === true,
    runsScripts: values.configure === true,
    env: process.env,
    cache,
    progress: new StreamProgress(process.stderr),
  });
  answer(`${fileOf(cache, manifest)}\n`);
  return 0;
}

/** This very program, to run a command in an image. */
function guestCommand(): string[] {
  return [process.execPath, process.argv[1]!, "run", "-m", "1g"];
}

async function ls(cache: Cache, names: readonly string[]): Promise<number> {
  if (names.length > 0) throw new UsageError("ls takes no arguments");
  for (const image of await listImages(cache)) {
    const columns = [
      image.name.padEnd(16),
      `${Math.round(image.size / 2 ** 20)}M`.padStart(7),
      image.codename.padEnd(8),
      `${image.packages.length} packages`.padEnd(13),
      image.built.slice(0, 16).replace("T", " "),
    ];
    answer(`${columns.join("  ")}\n`);
  }
  return 0;
}

async function remove(cache: Cache, name: string): Promise<number> {
  const release = await takeLock(cache.lock, 0);
  try {
    await removeImage(cache, name);
  } finally {
    await release();
  }
  return 0;
}

async function verify(cache: Cache, names: readonly string[]): Promise<number> {
  if (names.length > 1) throw new UsageError("verify takes one name, or none for all");
  const [name] = names;
  const images = name === undefined ? await listImages(cache) : [await existing(cache, name)];
  let status = 0;
  for (const image of images) {
    const problems = await verifyImage(cache, image);
    for (const line of problems) complain(line);
    if (problems.length > 0) status = 1;
    else answer(`${image.name}: OK\n`);
  }
  return status;
}

async function existing(cache: Cache, name: string) {
  const manifest = await findImage(cache, name);
  if (manifest === undefined) throw new ImageError(`${name}: no such image; build it first`);
  const path = fileOf(cache, manifest);
  if ((await stat(path).catch(() => undefined)) === undefined) {
    throw new ImageError(`${name}: its file is gone; build it again`);
  }
  return manifest;
}

/** Diff and commit know nothing of the cache. `status` is that of what cannot be done. */
async function imageTool(
  run: (tool: typeof import("./imagedisk.ts")) => Promise<number>,
  status: number,
): Promise<number> {
  try {
    return await run(await import("./imagedisk.ts"));
  } catch (e) {
    if (e instanceof OutputError) throw e;
    const { path, message = String(e) } = e as NodeJS.ErrnoException;
    complain(path === undefined ? message : fileError(path, e));
    return status;
  }
}

function atMost(verb: string, names: readonly string[], count: number): readonly string[] {
  if (names.length > count) throw new UsageError(`${verb} takes no more than ${count} names`);
  return names;
}

function one(verb: string, names: readonly string[]): string {
  const [name, extra] = names;
  if (name === undefined || extra !== undefined) throw new UsageError(`${verb} takes one name`);
  return name;
}

/** "512M" in bytes. */
function parseSize(text: string): number {
  const m = /^(\d+)([kmgt])?(?:i?b)?$/i.exec(text);
  const size = m === null ? Number.NaN : Number(m[1]) * (UNITS[m[2]?.toLowerCase() ?? ""] ?? 1);
  if (!(size >= MIN_SIZE && size <= UNITS["t"]!)) {
    throw new UsageError(`${text}: a size is 16M to 1T, e.g. 512M or 4G`);
  }
  return size;
}
