/**
 * The head of the chain of trust: a suite's InRelease, signed by the archive.
 *
 * gpgv checks the signature against Debian's keyring and hands back the text
 * that was signed; only that text is read. It names the hash of the package
 * index, which names the hash of every .deb. Source: gpgv(1), apt-secure(8).
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { parseStanza } from "./control.ts";
import { ImageError } from "./error.ts";

/** Where Debian's package debian-archive-keyring puts its keys. */
const KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

export interface IndexFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

export interface Release {
  readonly codename: string;
  /** Seconds since 1970: when the archive made this release. */
  readonly time: number;
  readonly hasByHash: boolean;
  /** Index files by path below `dists/SUITE/`. */
  readonly files: ReadonlyMap<string, IndexFile>;
}

/** The keyring to verify with: `named`, else VKERNEL_KEYRING, else Debian's own. */
export function findKeyring(named: string | undefined, env: NodeJS.ProcessEnv): string {
  const wanted = named ?? env["VKERNEL_KEYRING"];
  if (wanted !== undefined && wanted !== "") {
    if (!existsSync(wanted)) throw new ImageError(`${wanted}: no such keyring`);
    return wanted;
  }
  const found = KEYRINGS.find((path) => existsSync(path));
  if (found === undefined) {
    throw new ImageError(
      "Debian's keyring is missing: install the package debian-archive-keyring, or use --keyring FILE",
    );
  }
  return found;
}

/** Verifies `inRelease` and returns the signed text; an ImageError says why it is not trusted. */
export async function verifySignature(
  inRelease: string,
  keyring: string,
  from: string,
): Promise<string> {
  const { status, stdout, stderr } = await gpgv(inRelease, keyring);
  if (status === 0 && stdout.length > 0) return stdout;
  const reason = reasonOf(stderr) ?? `gpgv ended with status ${status}`;
  throw new ImageError(`${from}: the signature is not valid for ${keyring}: ${reason}`);
}

/** The line in which gpgv says what is wrong. Its others name keys, in hexadecimal digits that may spell anything. */
export function reasonOf(stderr: string): string | undefined {
  const lines = stderr.split("\n").map((line) => line.replace(/^gpgv: /, "").trim());
  return lines.find((line) =>
    /\b(BAD signature|No public key|expired|no valid OpenPGP|revoked)\b/i.test(line),
  );
}

function gpgv(input: string, keyring: string) {
  return new Promise<{ status: number | null; stdout: string; stderr: string }>((done, fail) => {
    const child = spawn("gpgv", ["--keyring", keyring, "--output", "-", "-"], {
      env: { ...process.env, LC_ALL: "C" },
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.on("error", () =>
      fail(new ImageError("gpgv is missing: install the package gpgv (part of GnuPG)")),
    );
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("close", (status) =>
      done({
        status,
        stdout: Buffer.concat(out).toString("utf8"),
        stderr: Buffer.concat(err).toString("utf8"),
      }),
    );
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** Reads the signed text of a Release file; `suite` must be its suite or code name. */
export function parseRelease(text: string, suite: string): Release {
  const stanza = parseStanza(text);
  const codename = stanza["Codename"] ?? "";
  if (suite !== codename && suite !== stanza["Suite"]) {
    throw new ImageError(`the mirror's "${suite}" calls itself "${codename || stanza["Suite"]}"`);
  }
  const files = new Map<string, IndexFile>();
  for (const line of (stanza["SHA256"] ?? "").split("\n")) {
    const m = /^\s*([0-9a-f]{64})\s+(\d+)\s+(\S+)$/.exec(line);
    if (m !== null) files.set(m[3]!, { sha256: m[1]!, size: Number(m[2]), path: m[3]! });
  }
  const time = Date.parse(stanza["Date"] ?? "") / 1000;
  return {
    codename,
    time: Number.isFinite(time) ? time : 0,
    hasByHash: stanza["Acquire-By-Hash"] === "yes",
    files,
  };
}
