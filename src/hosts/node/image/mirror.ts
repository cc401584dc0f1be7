/**
 * Which Debian mirror to use: what the user says, else what this machine's apt uses.
 *
 * Order: the option, then VKERNEL_MIRROR, then the archives named in apt's
 * sources (one-line .list and deb822 .sources). Trust never comes from the
 * mirror: every answer is checked against the archive's signature.
 * Source: sources.list(5).
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseControl } from "./control.ts";
import { ImageError } from "./error.ts";

export interface MirrorRequest {
  readonly mirror?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** apt's directory, /etc/apt but for tests. */
  readonly aptDir?: string;
}

/** Base addresses to try in order, without trailing slash; at least one. */
export function mirrors(request: MirrorRequest): string[] {
  const named = request.mirror ?? request.env["VKERNEL_MIRROR"];
  if (named !== undefined && named !== "") return [checked(named)];
  const found = aptArchives(request.aptDir ?? "/etc/apt");
  if (found.length === 0) {
    throw new ImageError(
      "no Debian mirror known: use --mirror URL or set VKERNEL_MIRROR (apt's sources name none)",
    );
  }
  return found;
}

interface Source {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly signedBy: string;
}

/** The http(s) archives of apt's sources with a main component, likeliest Debian archive first. */
function aptArchives(aptDir: string): string[] {
  const parts = join(aptDir, "sources.list.d");
  const files = [join(aptDir, "sources.list"), ...list(parts).map((name) => join(parts, name))];
  const sources = files.flatMap((file) => {
    const text = read(file);
    return file.endsWith(".sources") ? parseDeb822(text) : parseOneLine(text);
  });
  const usable = sources.filter(
    (s) =>
      /^https?:\/\//.test(s.uri) &&
      s.components.includes("main") &&
      !s.suites.every((suite) => /-security$|-updates$|-backports/.test(suite)),
  );
  const isDebian = (s: Source) =>
    s.signedBy.includes("debian-archive") || /\/debian\/?$/.test(s.uri);
  const ranked = [...usable.filter(isDebian), ...usable.filter((s) => !isDebian(s))];
  return [...new Set(ranked.map((s) => s.uri.replace(/\/+$/, "")))];
}

function parseDeb822(text: string): Source[] {
  return parseControl(text)
    .filter((s) => words(s["Types"]).includes("deb") && s["Enabled"]?.toLowerCase() !== "no")
    .flatMap((s) =>
      words(s["URIs"]).map((uri) => ({
        uri,
        suites: words(s["Suites"]),
        components: words(s["Components"]),
        signedBy: s["Signed-By"] ?? "",
      })),
    );
}

function parseOneLine(text: string): Source[] {
  const sources: Source[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (match === null) continue;
    const [, options = "", uri, suite, components] = match;
    sources.push({
      uri: uri!,
      suites: [suite!],
      components: words(components),
      signedBy: options,
    });
  }
  return sources;
}

function checked(url: string): string {
  if (!URL.canParse(url) || !/^https?:\/\//.test(url)) {
    throw new ImageError(`${url}: a mirror is an http:// or https:// address`);
  }
  return url.replace(/\/+$/, "");
}

const words = (field: string | undefined): string[] => (field ?? "").split(/\s+/).filter(Boolean);

function list(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => /\.(list|sources)$/.test(name))
      .sort();
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
