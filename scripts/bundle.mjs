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

/** Replaces a module that others import by a few lines. */
function replace(name, contents) {
  return {
    name: `replace-${name}`,
    setup({ onResolve, onLoad }) {
      onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: name, namespace: name }));
      onLoad({ filter: /.*/, namespace: name }, () => ({ contents }));
    },
  };
}

/** After each command yargs renders its help, to have it at hand should the command fail; ours report errors themselves. */
const noHelpInAdvance = {
  name: "no-help-in-advance",
  setup({ onLoad }) {
    onLoad({ filter: /\/yargs\/build\/lib\/command\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const contents = source.replace("yargs.getInternalMethods().getUsageInstance().cacheHelpMessage();", "");
      if (contents === source) throw new Error(`${path} is not what it was: see whether it still renders help in advance`);
      return { contents };
    });
  },
};

const plugins = [
  noHelpInAdvance,
  // its Unicode tables take 40 ms to load at each start, and what we show is ASCII, or as wide; yargs imports it, cli-progress
  // requires it, so that the function itself is what it exports
  replace("string-width", "module.exports = (text) => text.length;"),
  // 10 ms for two comparisons
  replace(
    "assert",
    `const check = (ok, message) => { if (!ok) throw new Error(message); };
     export const strictEqual = (a, b, message) => check(a === b, message);
     export const notStrictEqual = (a, b, message) => check(a !== b, message);`,
  ),
];

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
  plugins,
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
