/**
 * Makes scripts of what starts vkernel: loading one file takes a fraction of what loading its modules does.
 *
 * All lie in dist/hosts/node/, beside each other, so that what they find by their own place is there; but for the
 * command itself, which is told that it lies there too.
 */
import { rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const common = {
  bundle: true,
  platform: "node",
  format: "cjs",
  logLevel: "warning",
  // What modules know of where they are.
  define: { "import.meta.url": "SCRIPT_URL" },
  banner: { js: 'const SCRIPT_URL=require("node:url").pathToFileURL(__filename).href;' },
} as const;

await build({
  ...common,
  entryPoints: ["src/hosts/node/runmachine.ts"],
  outfile: "dist/hosts/node/kernel.cjs",
  define: {},
  // What CommonJS would put around it: the Worker runs it as it is (bundledkernel.ts).
  banner: { js: "(function (require, module) {" },
  footer: { js: "})" },
  minifyWhitespace: true,
  minifySyntax: true,
  sourcemap: true,
});
await build({
  ...common,
  entryPoints: ["src/hosts/node/worker.ts"],
  outfile: "dist/hosts/node/worker.cjs",
  external: ["./runmachine.ts"],
});
await build({
  ...common,
  entryPoints: ["src/cli/command.ts"],
  // The image builder reads its own modules (hosts/node/image/build.ts), which lie where they were.
  define: { ...common.define, "import.meta.dirname": "BUILDER" },
  banner: { js: `${common.banner.js}const BUILDER=require("node:path").join(__dirname,"image");` },
  outfile: "dist/hosts/node/command.cjs",
  minifyWhitespace: true,
  minifySyntax: true,
});

rmSync("dist/cli", { recursive: true, force: true });
await build({
  ...common,
  entryPoints: ["src/cli/vkernel.ts"],
  external: ["./command.ts"],
  banner: {
    js: 'const SCRIPT_URL=require("node:url").pathToFileURL(require("node:path").join(__dirname,"../hosts/node/vkernel.js")).href;',
  },
  outfile: "dist/cli/vkernel.js",
});
writeFileSync("dist/cli/package.json", '{ "type": "commonjs" }\n');
