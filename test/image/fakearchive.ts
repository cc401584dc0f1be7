/**
 * A Debian archive in miniature, for tests: packages made here, signed with a
 * key made here, served by an HTTP server on 127.0.0.1 that can misbehave.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface FakePackage {
  readonly name: string;
  readonly version?: string;
  readonly fields?: Readonly<Record<string, string>>;
  /** Path (without leading slash) to contents; a value starting with "->" is a symlink. */
  readonly files?: Readonly<Record<string, string>>;
  /** Paths of `files` that are executable. */
  readonly control?: Readonly<Record<string, string>>;
}

const APPLETS = ["[", "[[", "ash", "cat", "init", "ls", "mount", "poweroff", "sh"];

/** The packages that the recipe "minimal" wants. */
export const BASE: readonly FakePackage[] = [
  {
    name: "base-files",
    fields: { Essential: "yes", "Pre-Depends": "awk" },
    files: { bin: "->usr/bin", sbin: "->usr/sbin", lib: "->usr/lib", "usr/lib/os-release": "x\n" },
  },
  {
    name: "base-passwd",
    files: {
      "usr/share/base-passwd/passwd.master": "root:*:0:0:root:/root:/bin/bash\n",
      "usr/share/base-passwd/group.master": "root:*:0:\nshadow:*:42:\n",
    },
  },
  {
    name: "busybox-static",
    files: { "usr/bin/busybox": `\x7fELF${APPLETS.join("\0")}\0Z\0` },
  },
];

export class FakeArchive {
  readonly dir: string = mkdtempSync(join(tmpdir(), "vkernel-archive-"));
  readonly #files = new Map<string, Buffer>();
  readonly #server: Server;
  /** Requests seen: path and Range header. */
  readonly requests: { path: string; range: string | undefined }[] = [];
  /** When set, a response of a .deb breaks off after this many bytes. */
  breakAfter: number | undefined;
  /** When set, .debs trickle: 1 kB each so many milliseconds. */
  delayMs = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      const path = request.url ?? "/";
      const range = request.headers.range;
      this.requests.push({ path, range });
      const whole = this.#files.get(path);
      if (whole === undefined) {
        response.writeHead(404).end();
        return;
      }
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
      const body = whole.subarray(from);
      response.writeHead(from > 0 ? 206 : 200, { "content-length": body.length });
      const isDeb = path.endsWith(".deb");
      if (isDeb && this.breakAfter !== undefined && this.breakAfter < body.length) {
        // A while later, so that a busy client has read what was sent.
        response.write(body.subarray(0, this.breakAfter), () => {
          setTimeout(() => response.destroy(), 500);
        });
      } else if (isDeb && this.delayMs > 0) {
        let at = 0;
        const timer = setInterval(() => {
          if (at >= body.length || response.destroyed) {
            clearInterval(timer);
            response.end();
            return;
          }
          response.write(body.subarray(at, at + 1024));
          at += 1024;
        }, this.delayMs);
      } else {
        response.end(body);
      }
    });
  }

  get keyring(): string {
    return join(this.dir, "keyring.gpg");
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/debian`;
  }

  async start(packages: readonly FakePackage[]): Promise<void> {
    this.#makeKey();
    this.publish(packages);
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((done) => this.#server.close(() => done()));
    spawnSync("gpgconf", ["--homedir", this.dir, "--kill", "all"]);
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Replaces what the archive holds. */
  publish(packages: readonly FakePackage[]): void {
    const stanzas: string[] = [];
    for (const p of packages) {
      const deb = makeDeb(this.dir, p);
      const filename = `pool/${p.name}.deb`;
      this.#files.set(`/debian/${filename}`, deb);
      stanzas.push(
        `${controlText(p)}Filename: ${filename}\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n`,
      );
    }
    const index = Buffer.from(stanzas.join("\n"));
    const packed = spawnSync("xz", ["-c"], { input: index }).stdout;
    const base = "main/binary-riscv64";
    const dists = "/debian/dists/trixie";
    this.#files.set(`${dists}/${base}/Packages.xz`, packed);
    const entries = [
      ` ${sha256(index)} ${index.length} ${base}/Packages`,
      ` ${sha256(packed)} ${packed.length} ${base}/Packages.xz`,
    ];
    const release =
      "Origin: Test\nSuite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n" +
      `SHA256:\n${entries.join("\n")}\n`;
    this.#files.set(`${dists}/InRelease`, this.#sign(release));
  }

  /** The stored bytes of a path below the archive, to damage them. */
  file(path: string): Buffer {
    return this.#files.get(`/debian/${path}`)!;
  }

  #makeKey(): void {
    this.#gpg(["--quick-gen-key", "Test <test@example.org>", "ed25519", "sign", "never"]);
    writeFileSync(this.keyring, this.#gpg(["--export"]));
  }

  #sign(text: string): Buffer {
    return this.#gpg(["--clear-sign", "--output", "-"], text);
  }

  #gpg(args: readonly string[], input = ""): Buffer {
    const base = ["--homedir", this.dir, "--batch", "--quiet", "--pinentry-mode", "loopback"];
    const run = spawnSync("gpg", [...base, "--passphrase", "", ...args], { input });
    if (run.status !== 0) throw new Error(run.stderr.toString());
    return run.stdout;
  }
}

/** A .deb made by the host's tar and xz. */
export function makeDeb(scratch: string, p: FakePackage): Buffer {
  const control = { control: controlText(p), ...p.control };
  return ar([
    ["debian-binary", Buffer.from("2.0\n")],
    ["control.tar.xz", tar(scratch, control)],
    ["data.tar.xz", tar(scratch, p.files ?? {})],
  ]);
}

export function ar(members: readonly (readonly [string, Buffer])[]): Buffer {
  const parts: Buffer[] = [Buffer.from("!<arch>\n")];
  for (const [name, data] of members) {
    const size = String(data.length).padEnd(10);
    parts.push(Buffer.from(`${name.padEnd(16)}0           0     0     100644  ${size}\`\n`), data);
    if (data.length % 2 === 1) parts.push(Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}

function tar(scratch: string, files: Readonly<Record<string, string>>): Buffer {
  const dir = mkdtempSync(join(scratch, "tar-"));
  for (const [path, content] of Object.entries(files)) {
    const full = join(dir, path);
    mkdirSync(dirname(full), { recursive: true });
    if (content.startsWith("->")) spawnSync("ln", ["-s", content.slice(2), full]);
    else writeFileSync(full, Buffer.from(content, "latin1"), { mode: 0o755 });
  }
  const options = [
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mtime=@1700000000",
    "--sort=name",
  ];
  const run = spawnSync("tar", ["-C", dir, ...options, "-cJf", "-", "."], { maxBuffer: 1 << 28 });
  rmSync(dir, { recursive: true });
  if (run.status !== 0) throw new Error(run.stderr.toString());
  return run.stdout;
}

function controlText(p: FakePackage): string {
  const fields = {
    Package: p.name,
    Version: p.version ?? "1.0",
    Architecture: "riscv64",
    "Installed-Size": "10",
    ...p.fields,
    Description: `the package ${p.name}`,
  };
  return Object.entries(fields)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join("");
}

const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
