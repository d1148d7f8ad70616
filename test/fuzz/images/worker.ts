/** Runs its share of the damaged images; see run.ts. Arguments: room, seed, count, its number, number of workers, originals. */

import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { command as restore } from "../../../src/commands/restore.js";
import { command as show } from "../../../src/commands/show.js";
import { CrctlError } from "../../../src/errors.js";
import { reportError } from "../../../src/ui/output.js";
import { Original } from "./mutate.js";
import { Random } from "./random.js";

export interface Report {
  index: number;
  done: number;
  codes: [string, number][];
  /** KiB */
  maxRss: number;
  problems: string[];
  last: boolean;
}

/** For any command, and any damage to a small image. */
const LIMIT_MS = 20_000;
const LIMIT_RSS_KIB = 768 * 1024;
const EVERY = 50;

const [room = "", seed = "", count = "", number = "", workers = "", ...dirs] = process.argv.slice(2);
const images = dirs.map((dir) => new Original(dir));

let codes = new Map<string, number>();
let problems: string[] = [];
let done = 0;

/** What the command line does with a command once its arguments are read. */
async function run(name: string, json: boolean, handler: () => void | Promise<void>, what: string): Promise<void> {
  const start = performance.now();
  let end = "succeeds";
  try {
    await handler();
  } catch (error) {
    if (error instanceof CrctlError) {
      await reportError(error, json);
      end = error.code;
    } else {
      end = "internal error";
      problems.push(`${name}: ${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  const took = performance.now() - start;
  codes.set(`${name}: ${end}`, (codes.get(`${name}: ${end}`) ?? 0) + 1);
  if (took > LIMIT_MS) problems.push(`${name}: took ${Math.round(took)} ms: ${what}`);
}

function report(index: number, last: boolean): void {
  const maxRss = process.resourceUsage().maxRSS;
  if (maxRss > LIMIT_RSS_KIB) problems.push(`${Math.round(maxRss / 1024)} MiB of memory by mutation ${index}`);
  const message: Report = { index, done, codes: [...codes], maxRss, problems, last };
  process.send?.(message);
  codes = new Map();
  problems = [];
  done = 0;
}

mkdirSync(room);
for (let i = Number(number); i < Number(count); i += Number(workers)) {
  const random = new Random(Number(seed) * 1_000_003 + i);
  const dir = path.join(room, "image");
  const which = i % images.length;
  const what = `mutation ${i} of seed ${seed}, image ${which}: ${images[which]?.damage(random, dir) ?? ""}`;
  const json = random.below(4) === 0;
  const global = { json, verbose: 1 };
  await run("show", json, () => show.handler({ ...global, dir }), what);
  const options = {
    dir,
    detach: false,
    "inherit-fd": undefined,
    "shell-job": false,
    force: random.below(2) === 0,
    "new-pids": random.below(2) === 0,
    check: true,
  };
  await run("restore --check", json, () => restore.handler({ ...global, ...options }), what);
  rmSync(dir, { recursive: true, force: true });
  done++;
  if (done === EVERY) report(i, false);
}
report(-1, true);
process.exitCode = 0;
process.disconnect();
