// Bundles the controller to dist/bin: one small entry, and a chunk for each command, loaded when it is asked for.
// Node spends most of its start-up on finding, reading and compiling modules, so fewer and smaller ones are better.

import { chmodSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const { version } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));

/**
 * yargs measures the width of its help text with string-width, whose Unicode tables take 40 ms to load at each start.
 * Our help is ASCII.
 */
const plainWidth = {
  name: "plain-width",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^string-width$/ }, () => ({ path: "string-width", namespace: "plain-width" }));
    onLoad({ filter: /.*/, namespace: "plain-width" }, () => ({ contents: "export default (text) => text.length;" }));
  },
};

rmSync(`${root}/dist/bin`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: ["src/bin/crctl.ts"],
  outdir: "dist/bin",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minify: true,
  keepNames: false,
  sourcemap: false,
  legalComments: "none",
  define: { CRCTL_VERSION: JSON.stringify(version) },
  // what is left of CommonJS inside asks for built-in modules
  banner: { js: "#!/usr/bin/env node\nimport{createRequire as crctlRequire}from'node:module';const require=crctlRequire(import.meta.url);" },
  plugins: [plainWidth],
  logLevel: "warning",
});
chmodSync(`${root}/dist/bin/crctl.js`, 0o755);
