/**
 * One builder at a time in a cache.
 *
 * The lock is a file that names its holder, made by link(2) so that it is
 * never seen empty. A holder that is gone (its pid is dead or has another
 * start time) loses the lock to the next who asks.
 */
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ImageError } from "./error.ts";

const POLL_MS = 200;

/** Takes the lock, waiting at most `waitMs` for another builder; returns how to release it. */
export async function takeLock(path: string, waitMs: number): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true });
  const mine = `${path}.${process.pid}`;
  const identity = `${process.pid} ${await startTime(process.pid)}\n`;
  const deadline = Date.now() + waitMs;
  await writeFile(mine, identity);
  try {
    for (;;) {
      if (await tryLink(mine, path)) break;
      const holder = await read(path);
      if (holder !== undefined && (await isGone(holder))) {
        await evict(path, mine, holder);
      } else if (holder !== undefined && Date.now() >= deadline) {
        const pid = holder.split(" ")[0];
        throw new ImageError(`another image build is at work (process ${pid}); try again later`);
      } else {
        await sleep(POLL_MS);
      }
    }
  } finally {
    await rm(mine, { force: true });
  }
  return async () => {
    if ((await read(path)) === identity) await rm(path, { force: true });
  };
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw e;
  }
}

/** Takes a dead holder's lock away; a lock that changed hands meanwhile is put back. */
async function evict(path: string, mine: string, holder: string): Promise<void> {
  const aside = `${mine}.evicted`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await read(aside)) !== holder) await tryLink(aside, path);
  await rm(aside, { force: true });
}

async function isGone(holder: string): Promise<boolean> {
  const [pid, started] = holder.trim().split(" ");
  const number = Number(pid);
  if (!Number.isSafeInteger(number) || number <= 0) return true;
  try {
    process.kill(number, 0);
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === "ESRCH";
  }
  const now = await startTime(number);
  return now !== "?" && started !== "?" && now !== started;
}

/** Field 22 of /proc/pid/stat, "?" where there is no procfs. See proc_pid_stat(5). */
async function startTime(pid: number): Promise<string> {
  const text = await read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "?";
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined;
  }
}
