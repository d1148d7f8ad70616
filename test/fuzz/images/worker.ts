/** Runs its share of the damaged images; see run.ts. Arguments: room, seed, count, its number, number of workers, originals. */

import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { main } from "../../../src/cli.js";
import { EXIT } from "../../../src/errors.js";
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

async function run(command: readonly string[], what: string): Promise<void> {
  process.exitCode = undefined;
  const start = performance.now();
  const status = await main(command);
  const took = performance.now() - start;
  const code = `${command[0]} ${status === 0 ? "succeeds" : `exits with ${status}`}`;
  codes.set(code, (codes.get(code) ?? 0) + 1);
  if (status === EXIT.internal) problems.push(`${command[0]}: an internal error: ${what}`);
  if (took > LIMIT_MS) problems.push(`${command[0]}: took ${Math.round(took)} ms: ${what}`);
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
  await run(random.below(4) === 0 ? ["show", "--json", dir] : ["show", "-v", dir], what);
  await run(["restore", "--check", "-v", "-D", dir], what);
  rmSync(dir, { recursive: true, force: true });
  done++;
  if (done === EVERY) report(i, false);
}
report(-1, true);
process.exitCode = 0;
process.disconnect();
