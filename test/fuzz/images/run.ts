/**
 * Damaged images through `crctl show` and `crctl restore --check`, many thousands in a few processes:
 *
 *     node run.js [--count N] [--seed S] [--workers N]
 *
 * Runs in the test machine, where it dumps the originals itself. Each command must end by itself, with success or with
 * one of the errors that the documentation lists, and the memory of its process stays below a bound.
 */

import { fork, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { killAll } from "../../integration/lib/leftovers.js";
import { Program } from "../../integration/lib/program.js";
import type { Report } from "./worker.js";

/** Longer than any image of this size takes on a slow emulated machine. */
const SILENCE_MS = 120_000;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: String(availableParallelism()) },
  },
});
const count = Number(values.count);
const seed = Number(values.seed);
const workers = Number(values.workers);

/** Images of many kinds of state, with their trees gone. */
async function originals(): Promise<string[]> {
  const dirs: string[] = [];
  for (const [program, ...args] of [
    ["file_position"],
    ["pipe_data"],
    ["file_shared"],
    ["threads"],
    ["posix_timers"],
    ["shared_anon"],
    ["pipe_tree"],
    ["descriptors"],
    ["memfd"],
    // with more on its way the image is nothing but that
    ["tcp_connected", "100000"],
    ["udp"],
    ["netlink"],
    ["posix_mq"],
    ["unix_passed"],
    ["unix_named"],
    ["pty_session"],
    ["locks"],
    ["sysv_shm"],
    ["sysv_sem"],
    ["cow_shared"],
    ["mempolicy"],
    ["leader_gone"],
  ] as const) {
    const tree = await Program.start(program, args);
    const image = tree.newImage();
    await tree.dump(image);
    dirs.push(image);
  }
  return dirs;
}

interface Outcome {
  codes: Map<string, number>;
  done: number;
  maxRss: number;
  problems: string[];
}

function watch(worker: ChildProcess, number: number, outcome: Outcome): Promise<void> {
  return new Promise((resolve) => {
    let last = "nothing yet";
    let ended = false;
    let alarm: NodeJS.Timeout | undefined;
    const rewind = (): void => {
      clearTimeout(alarm);
      alarm = setTimeout(() => {
        outcome.problems.push(`worker ${number} has said nothing for ${SILENCE_MS} ms, last: ${last}`);
        worker.kill("SIGKILL");
      }, SILENCE_MS);
    };
    rewind();
    worker.on("message", (message) => {
      const report = message as Report;
      rewind();
      last = `mutation ${report.index}`;
      outcome.done = outcome.done + report.done;
      outcome.maxRss = Math.max(outcome.maxRss, report.maxRss);
      for (const [code, times] of report.codes) outcome.codes.set(code, (outcome.codes.get(code) ?? 0) + times);
      outcome.problems.push(...report.problems);
      ended ||= report.last;
    });
    worker.on("exit", (code, signal) => {
      clearTimeout(alarm);
      if (!ended) outcome.problems.push(`worker ${number} ended early (${signal ?? code}), last: ${last}`);
      resolve();
    });
  });
}

const dirs = await originals();
const room = mkdtempSync(path.join(tmpdir(), "crctl-damaged-"));
const outcome: Outcome = { codes: new Map(), done: 0, maxRss: 0, problems: [] };
await Promise.all(
  Array.from({ length: workers }, (_, number) => {
    const own = path.join(room, String(number));
    const args = [own, String(seed), String(count), String(number), String(workers), ...dirs];
    // what the commands print is of no interest
    const worker = fork(path.join(import.meta.dirname, "worker.js"), args, { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    return watch(worker, number, outcome);
  }),
);
rmSync(room, { recursive: true, force: true });
killAll();

// where every command fails at the same first check nothing is tried
for (const expected of ["show: succeeds", "show: E_IMAGE_DAMAGED", "restore --check: succeeds", "restore --check: E_IMAGE_DAMAGED"])
  if (!outcome.codes.has(expected)) outcome.problems.push(`none is "${expected}": were the images looked at?`);

console.log(
  `${outcome.done} damaged images (seed ${seed}) through show and restore --check; at most ${Math.round(outcome.maxRss / 1024)} MiB of memory`,
);
for (const [code, times] of [...outcome.codes].sort(([, a], [, b]) => b - a)) console.log(`  ${String(times).padStart(8)} ${code}`);
for (const problem of outcome.problems) console.log(`PROBLEM: ${problem}`);
if (outcome.done !== count) console.log(`PROBLEM: ${outcome.done} of ${count} were tried`);
process.exitCode = outcome.problems.length > 0 || outcome.done !== count ? 1 : 0;
