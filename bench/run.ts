/**
 * crctl and CRIU side by side, on the same machine, in turns. `make bench` runs it in the test machine.
 *
 *   node dist/tsc/bench/run.js times [ROUNDS [SUBJECTS]]
 *   node dist/tsc/bench/run.js counts
 *
 * SUBJECTS is a regular expression, of some of the names in subjects.ts.
 *
 * Images are written to memory (tmpfs), so that no disk is measured. Time frozen is what the program itself noted: the
 * largest gap in a heartbeat of one millisecond.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import path from "node:path";
import { countCalls, type Counts } from "./counts.js";
import { Heart, now, sleep } from "./heart.js";
import { SUBJECTS, type Subject } from "./subjects.js";
import { printFloors, printTable, type Comparison } from "./table.js";

const REPO = path.resolve(import.meta.dirname, "../../..");
const CRCTL = path.join(REPO, "dist/bin/crctl.js");
const [, , WHAT = "times", ROUNDS_GIVEN = "5", PATTERN = ""] = process.argv;
const CHOSEN = SUBJECTS.filter(({ name }) => new RegExp(PATTERN).test(name));
const ROUNDS = Number(ROUNDS_GIVEN);

interface Tool {
  name: "crctl" | "criu";
  dump: (pid: number, image: string, leaveRunning: boolean) => string[];
  restore: (image: string) => string[];
}

const CRCTL_TOOL: Tool = {
  name: "crctl",
  dump: (pid, image, leave) => [CRCTL, "dump", "-t", String(pid), "-D", image, ...(leave ? ["--leave-running"] : [])],
  restore: (image) => [CRCTL, "restore", "-d", "-D", image],
};
const CRIU_TOOL: Tool = {
  name: "criu",
  dump: (pid, image, leave) => ["criu", "dump", "-t", String(pid), "-D", image, ...(leave ? ["--leave-running"] : [])],
  restore: (image) => ["criu", "restore", "-d", "-D", image],
};
const TOOLS = [CRCTL_TOOL, CRIU_TOOL] as const;

const METRICS = ["frozen", "dump", "restore", "size"] as const;
type Metric = (typeof METRICS)[number];
const TITLES: Record<Metric, [string, Comparison["unit"]]> = {
  frozen: ["time frozen", "ms"],
  dump: ["dump command", "ms"],
  restore: ["restore until the next heartbeat", "ms"],
  size: ["image", "MiB"],
};

async function timed(command: readonly string[]): Promise<number> {
  const [file = "", ...args] = command;
  const begin = process.hrtime.bigint();
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [status] = (await once(child, "exit")) as [number | null];
  const ms = Number(process.hrtime.bigint() - begin) / 1e6;
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}:\n${said}`);
  return ms;
}

/** Space taken, holes not counted. */
function mebibytes(directory: string): number {
  const { stdout } = spawnSync("du", ["-sk", directory], { encoding: "utf8" });
  return Number(stdout.split("\t", 1)[0]) / 1024;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let left = 60_000; !condition(); left--) {
    if (left === 0) throw new Error(`waited for ${what}`);
    await sleep(1);
  }
}

async function round(tool: Tool, heart: Heart, directory: string): Promise<Record<Metric, number>> {
  const live = path.join(directory, "live");
  const image = path.join(directory, "image");
  for (const made of [live, image]) mkdirSync(made);

  const begin = now();
  await timed(tool.dump(heart.pid, live, true));
  await heart.beatsAfter(heart.count() + 5);
  const frozen = heart.largestGapSince(begin) / 1e6;
  rmSync(live, { recursive: true });

  const dump = await timed(tool.dump(heart.pid, image, false));
  await until("the tree to be gone", () => heart.gone());
  const size = mebibytes(image);

  const beats = heart.count();
  const restoring = now();
  await timed(tool.restore(image));
  await heart.beatsAfter(beats + 1);
  const first = heart.beats().find((at) => at > restoring);
  if (first === undefined) throw new Error("no heartbeat after the restore");
  rmSync(image, { recursive: true });
  return { frozen, dump, size, restore: (first - restoring) / 1e6 };
}

/** Starts the subject, lets `measure` look at it, and ends it. */
async function withHeart<T>(
  program: string,
  { args, prepare }: Subject,
  measure: (heart: Heart, directory: string) => T | Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(path.join(tmpdir(), "crctl-bench-"));
  const heart = await Heart.start(program, directory, args);
  const before = await prepare?.();
  const measured = await measure(heart, directory);
  const after = await prepare?.();
  if (after !== before) throw new Error(`there was ${before}, and now there is ${after}`);
  heart.kill();
  await until("the tree to end", () => heart.gone());
  rmSync(directory, { recursive: true });
  process.stderr.write(".");
  return measured;
}

async function times(program: string, subject: Subject): Promise<void> {
  const values: Record<Tool["name"], Record<Metric, number[]>> = {
    crctl: { frozen: [], dump: [], restore: [], size: [] },
    criu: { frozen: [], dump: [], restore: [], size: [] },
  };
  for (let turn = 0; turn < ROUNDS; turn++) {
    // in turns, so that what the machine does meanwhile hits both
    for (const tool of TOOLS) {
      const measured = await withHeart(program, subject, (heart, directory) => round(tool, heart, directory));
      for (const metric of METRICS) values[tool.name][metric].push(measured[metric]);
    }
  }
  printTable(
    subject.name,
    METRICS.map((metric): Comparison => {
      const [what, unit] = TITLES[metric];
      return { what, unit, crctl: values.crctl[metric], criu: values.criu[metric] };
    }),
  );
}

async function counts(program: string, subject: Subject): Promise<void> {
  const count = ({ dump }: Tool): Promise<Counts> =>
    withHeart(program, subject, (heart, directory) => {
      const image = path.join(directory, "image");
      mkdirSync(image);
      return countCalls(dump(heart.pid, image, true));
    });
  const crctl = await count(CRCTL_TOOL);
  const criu = await count(CRIU_TOOL);
  const row = (what: string, unit: Comparison["unit"], key: keyof Counts, scale = 1): Comparison => ({
    what,
    unit,
    crctl: [crctl[key] / scale],
    criu: [criu[key] / scale],
  });
  printTable(`${subject.name}: a dump`, [
    row("system calls", "calls", "calls"),
    row("  while frozen", "calls", "callsWhileFrozen"),
    row("bytes moved by calls", "MiB", "bytes", 2 ** 20),
    row("  while frozen", "MiB", "bytesWhileFrozen", 2 ** 20),
  ]);
}

async function floors(): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "crctl-bench-"));
  const source = path.join(directory, "source");
  const copy = path.join(directory, "copy");
  writeFileSync(source, Buffer.alloc(512 << 20, 7));
  const rows: Comparison[] = [
    { what: "Node alone (node -e 0)", unit: "ms", crctl: [] },
    { what: "crctl --version", unit: "ms", crctl: [] },
    { what: "plain copy of 512 MiB (cp)", unit: "ms", crctl: [] },
  ];
  for (let turn = 0; turn < ROUNDS; turn++) {
    const measured = [
      await timed([process.execPath, "-e", "0"]),
      await timed([CRCTL, "--version"]),
      await timed(["cp", "--reflink=never", "--sparse=never", source, copy]),
    ];
    rows.forEach((row, i) => (row.crctl = [...row.crctl, measured[i] ?? NaN]));
    rmSync(copy);
  }
  rmSync(directory, { recursive: true });
  printFloors("Floors", rows);
}

// On a file system that both tools know, and out of reach of a slow network file system under the root.
const program = path.join(mkdtempSync(path.join(tmpdir(), "crctl-bench-")), "heartbeat");
if (!existsSync(path.join(REPO, "bench/heartbeat"))) throw new Error("bench/heartbeat is not built");
copyFileSync(path.join(REPO, "bench/heartbeat"), program);
chmodSync(program, 0o755);
if (WHAT === "counts") {
  for (const each of CHOSEN) await counts(program, each);
} else {
  console.log(`medians of ${ROUNDS} rounds (lowest to highest); the ratio is criu's median over crctl's: above 1 crctl is ahead`);
  for (const each of CHOSEN) await times(program, each);
  await floors();
}
rmSync(path.dirname(program), { recursive: true });
