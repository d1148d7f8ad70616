// Bundles the controller: dist/bin/crctl.js, the entry, dist/bin/main.js, everything else, and main.cache, what V8 compiles
// that to. Start-up must be small: it is part of the time of each dump, and a tree is frozen while code runs for the
// first time.

import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";

import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = `${root}/dist/bin`;
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

rmSync(out, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { main: "src/bin/crctl.ts" },
  outdir: out,
  bundle: true,
  // one script for the one cache; modules that are imported when they are needed are still not run before
  format: "cjs",
  platform: "node",
  target: "node20",
  minify: true,
  legalComments: "none",
  define: { CRCTL_VERSION: JSON.stringify(version), "import.meta.url": "crctlUrl" },
  banner: { js: "(function (require, crctlUrl) {" },
  footer: { js: "})" },
  plugins: [plainWidth],
  logLevel: "warning",
});

// All functions are compiled now, not when they are called; the flag is part of what V8 compares, so it is set back.
setFlagsFromString("--no-lazy");
const script = new Script(readFileSync(`${out}/main.js`, "latin1"), { filename: `${out}/main.js` });
setFlagsFromString("--lazy");
writeFileSync(`${out}/main.cache`, script.createCachedData());

writeFileSync(`${out}/package.json`, '{"type":"commonjs"}\n');
copyFileSync(`${root}/scripts/entry.cjs`, `${out}/crctl.js`);
chmodSync(`${out}/crctl.js`, 0o755);
