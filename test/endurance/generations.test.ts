/**
 * One tree, dumped and restored generation after generation: what /proc shows of it stays the same, it verifies itself,
 * and nothing grows: images, descriptors, what the kernel has allocated.
 *
 * CRCTL_GENERATIONS: how many (100).
 */

import { expect } from "chai";
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Herd } from "../integration/lib/program.js";
import { pidsOfTree } from "../integration/lib/procfs.js";

const GENERATIONS = Number(process.env.CRCTL_GENERATIONS ?? 100);
/** From here on everything has been used once: caches are filled, buffers are made. */
const SETTLED = Math.min(10, Math.floor(GENERATIONS / 2));

interface Measures {
  imageBytes: number;
  descriptors: number;
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
  const imageBytes = readdirSync(image).reduce((sum, name) => sum + statSync(path.join(image, name)).size, 0);
  const descriptors = pidsOfTree(herd.pid).reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);
  return { imageBytes, descriptors, slabKiB: meminfo("Slab"), unreclaimableKiB: meminfo("SUnreclaim") };
}

describe("generations", () => {
  it(`${GENERATIONS} of one tree: no drift, no growth`, async () => {
    const programs = ["threads", "sleeps", "posix_timers", "shared_anon", "pipe_data", "file_shared", "sigpending", "descriptors"];
    const herd = await Herd.gather(programs.map((program) => ({ program })));
    const seen: Measures[] = [];
    for (let generation = 1; generation <= GENERATIONS; generation++) {
      await herd.cycle(); // compares the tree before and after
      const image = herd.path(`image-${generation}`);
      seen.push(measure(herd, image));
      rmSync(image, { recursive: true });
      if (generation % 10 === 0) {
        for (const member of herd.members) await member.verify();
        await herd.verify();
      }
    }
    for (const member of herd.members) await member.finish();
    await herd.finish();

    const first = seen[SETTLED];
    const last = seen.at(-1);
    if (first === undefined || last === undefined) throw new Error("no generation has settled");
    console.log(`      generation ${SETTLED + 1}: ${JSON.stringify(first)}`);
    console.log(`      generation ${GENERATIONS}: ${JSON.stringify(last)}`);
    const range = seen.slice(SETTLED).map((one) => one.descriptors);
    expect(Math.max(...range) - Math.min(...range), "descriptors").to.equal(0);
    // some pages come and go as the programs work; nothing may add up
    expect(last.imageBytes / first.imageBytes, "image size").to.be.below(1.02);
    expect(last.unreclaimableKiB - first.unreclaimableKiB, "unreclaimable slab, KiB").to.be.below(4096);
    expect(last.slabKiB - first.slabKiB, "slab, KiB").to.be.below(8192);
  });
});
