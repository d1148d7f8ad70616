/**
 * One tree, dumped and restored generation after generation: what /proc shows of it stays the same, it verifies itself,
 * and nothing grows: images, descriptors, what the kernel has allocated.
 *
 * CRCTL_GENERATIONS: how many (100).
 */

import { expect } from "chai";
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { Herd } from "../integration/lib/program.js";
import { pidsOfTree } from "../integration/lib/procfs.js";

const GENERATIONS = Number(process.env.CRCTL_GENERATIONS ?? 100);
/** From here on everything has been used once: caches are filled, buffers are made. */
const SETTLED = Math.min(10, Math.floor(GENERATIONS / 2));

/**
 * How far the kernel's number of open files may be off: each CPU counts up to 31 by itself before it adds that to the sum
 * that /proc/sys/fs/file-nr shows (lib/percpu_counter.c, a batch of 32).
 */
const OPEN_FILES_OFF = 31 * availableParallelism();

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** Active objects of each kernel cache, in KiB, for the caches of more than a page. */
function slabs(): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of readFileSync("/proc/slabinfo", "latin1").split("\n").slice(2)) {
    const [name = "", active, , size] = line.split(/\s+/);
    const kib = (Number(active) * Number(size)) / 1024;
    if (kib >= 4) found.set(name, kib);
  }
  return found;
}

/** The C library keeps up to seven freed blocks of each size: so often programs that do the same again touch new pages. */
const ROUNDS_TO_SETTLE = 10;

interface Measures {
  /** by name */
  files: Record<string, number>;
  imageBytes: number;
  descriptors: number;
  openFiles: number;
  slabKiB: number;
  unreclaimableKiB: number;
}

function meminfo(key: string): number {
  const line = readFileSync("/proc/meminfo", "latin1")
    .split("\n")
    .find((one) => one.startsWith(`${key}:`));
  return Number(line?.split(/\s+/)[1]);
}

function measure(herd: Herd, image: string): Measures {
  writeFileSync("/proc/sys/vm/drop_caches", "3");
  const files = Object.fromEntries(readdirSync(image).map((name) => [name, statSync(path.join(image, name)).size]));
  const imageBytes = Object.values(files).reduce((sum, size) => sum + size, 0);
  const descriptors = pidsOfTree(herd.pid).reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);
  const openFiles = Number(readFileSync("/proc/sys/fs/file-nr", "latin1").split(/\s+/)[0]);
  return { files, imageBytes, descriptors, openFiles, slabKiB: meminfo("Slab"), unreclaimableKiB: meminfo("SUnreclaim") };
}

describe("generations", () => {
  it(`${GENERATIONS} of one tree: no drift, no growth`, async () => {
    const programs = ["threads", "posix_timers", "shared_anon", "pipe_data", "file_shared", "sigpending", "descriptors"];
    const herd = await Herd.gather(programs.map((program) => ({ program })));
    for (let round = 0; round < ROUNDS_TO_SETTLE; round++) for (const member of herd.members) await member.verify();
    const seen: Measures[] = [];
    let settled = new Map<string, number>();
    for (let generation = 1; generation <= GENERATIONS; generation++) {
      await herd.cycle(); // compares the tree before and after
      const image = herd.path(`image-${generation}`);
      seen.push(measure(herd, image));
      rmSync(image, { recursive: true });
      if (generation === SETTLED + 1) settled = slabs();
      if (generation % 25 === 0) console.log(`      ${generation} generations`);
      // they set their state up anew, so that it is not the same all the time
      if (generation % 10 === 0) for (const member of herd.members) await member.verify();
    }
    const grown = [...slabs()].map(([name, kib]) => [name, kib - (settled.get(name) ?? 0)] as const).filter(([, kib]) => kib > 64);
    for (const member of herd.members) await member.finish();
    await herd.finish();

    const first = seen[SETTLED];
    const last = seen.at(-1);
    if (first === undefined || last === undefined) throw new Error("no generation has settled");
    for (const [generation, { files, ...numbers }] of [[SETTLED + 1, first] as const, [GENERATIONS, last] as const]) {
      console.log(`      generation ${generation}: ${JSON.stringify(numbers)}, ${Object.keys(files).length} files`);
    }
    const larger = Object.entries(last.files).flatMap(([name, size]) => {
      const before = first.files[name];
      // a task that came since then has a file of another name
      return before !== undefined && size > before ? [`${name} +${size - before}`] : [];
    });
    const range = seen.slice(SETTLED).map((one) => one.descriptors);
    expect(Math.max(...range) - Math.min(...range), "descriptors").to.equal(0);
    console.log(`      files of the image that grew: ${larger.join(", ") || "none"}`);
    // some pages come and go as the programs work; nothing may add up
    expect(last.imageBytes / first.imageBytes, `image size: ${larger.join(", ")}`).to.be.below(1.02);
    for (const { imageBytes } of seen.slice(SETTLED)) expect(imageBytes / first.imageBytes, "image size").to.be.within(0.95, 1.05);
    // a file lost in each of 100 generations makes more than the counters are off
    const openFiles = seen.slice(SETTLED).map((one) => one.openFiles);
    const growth = median(openFiles.slice(-10)) - median(openFiles.slice(0, 10));
    console.log(`      open files of the whole machine, after ${SETTLED} generations: ${openFiles.join(" ")}`);
    expect(growth, "open files of the whole machine").to.be.at.most(OPEN_FILES_OFF + 8);
    // what is lost once in each generation adds up in one cache: a small object of 1 KiB in 90 of them is more
    const names = grown.map(([name, kib]) => `${name} +${Math.round(kib)} KiB`).join(", ");
    console.log(`      caches that grew by more than 64 KiB: ${names === "" ? "none" : names}`);
    // a few generations say nothing about that: caches are still being filled
    const lost = GENERATIONS > 2 * SETTLED ? grown.filter(([, kib]) => kib > 256) : [];
    expect(lost, "caches that grew").to.deep.equal([]);
    expect(last.unreclaimableKiB - first.unreclaimableKiB, "unreclaimable slab, KiB").to.be.below(4096);
    expect(last.slabKiB - first.slabKiB, "slab, KiB").to.be.below(8192);
  });
});
