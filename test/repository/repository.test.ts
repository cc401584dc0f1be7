/**
 * The repository speaks of the project alone and keeps its own promises: the
 * version is stated twice but once decided, no file names a mirror, a registry
 * or a place on somebody's machine, and every link between documents leads
 * somewhere.
 */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { VERSION } from "../../src/boot/version.ts";

const ROOT = join(import.meta.dirname, "../..");
const SELF = "test/repository/repository.test.ts";

function filesOf(...patterns: string[]): string[] {
  const exclude = ["**/node_modules/**", "dist/**"];
  return patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT, exclude }));
}

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

test("the kernel's version is the package's", () => {
  assert.equal(JSON.parse(textOf("package.json")).version, VERSION);
  assert.match(textOf("CHANGELOG.md"), new RegExp(`^## .*${VERSION.replaceAll(".", "\\.")}`, "m"));
});

test("no file names a mirror, a registry or a path of a machine", () => {
  const folders = "{src,test,tools,bench,docs,.ci}/**/*";
  const files = filesOf(`${folders}.{ts,c,h,sh,md,json,tsv}`, ".ci/*", "*.{md,json}", ".npmrc");
  const forbidden =
    /\b(?:deb|security|snapshot|ftp)\.debian\.org|debian\.net|npmjs\.|registry\.npm|\/work\/(?:main|shared)|\/tmp\/helpers|\/opt\/qemu|\/home\/[a-z]+\/(?!\.)/;
  const found = files
    .filter((f) => f !== SELF)
    .flatMap((f) => {
      const hit = forbidden.exec(textOf(f));
      return hit ? [`${f}: ${hit[0]}`] : [];
    });
  assert.ok(files.length > 300, `only ${files.length} files`);
  assert.deepEqual(found, []);
});

test("every relative link in a document leads to a file", () => {
  // docs/data holds parts of pages, not pages.
  const documents = filesOf("*.md", "{docs,bench,src,test,tools}/**/*.md").filter(
    (f) => !f.startsWith("docs/data/"),
  );
  const broken = documents.flatMap((from) =>
    [...textOf(from).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((m) => m[1]!)
      .filter((to) => !to.includes("://") && !existsSync(join(ROOT, dirname(from), to)))
      .map((to) => `${from}: ${to}`),
  );
  assert.ok(documents.length > 10);
  assert.deepEqual(broken, []);
});

test("every folder of src stands in the table of floors", () => {
  const table = textOf("docs/layers.md");
  const folders = globSync("*", { cwd: join(ROOT, "src") });
  const missing = folders.filter((f) => !table.includes(f.endsWith(".ts") ? f : `${f}/`));
  assert.deepEqual(missing, []);
});
