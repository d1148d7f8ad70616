/** No space left, or no inode: for an image, whichever part of it does not fit any more; for a deleted file that comes back. */

import { expect } from "chai";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { mustFail } from "./lib/crctl.js";
import { newDirectory } from "./lib/directories.js";
import { Clean, naming, share, tidsOfTree, unharmed, workload } from "./lib/faults.js";
import { pidsOfTree, viewTree } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { remount, usage, withTmpfs } from "./lib/mounts.js";

/** From the last piece that does not fit back to the first: the last ones each, of the many before them some. */
function steps(all: number): number[] {
  const found: number[] = [];
  for (let missing = 1; missing < all; missing += Math.max(1, Math.floor(missing / 2))) found.push(missing);
  return [...found, all - 1];
}

describe("no space left", () => {
  for (const [what, limit] of [
    ["blocks", (left: number, size: number) => `size=${left * size}`],
    ["inodes", (left: number) => `nr_inodes=${left}`],
  ] as const) {
    it(`for an image: too few ${what}`, async () => {
      await withTmpfs("size=64m,nr_inodes=1000", async (directory) => {
        await withJournal(await workload(), async (program) => {
          const image = path.join(directory, "image");
          const view = viewTree(program.pid);
          const before = usage(directory);
          await program.dump(image, ["--leave-running"]);
          const after = usage(directory);
          rmSync(image, { recursive: true });
          for (const missing of share(steps(after[what] - before[what]))) {
            await remount(directory, limit(after[what] - missing, after.blockSize));
            await naming(`${missing} ${what} too few`, async () => {
              await mustFail("E_NO_SPACE", 9, ["dump", "-t", String(program.pid), "-D", image]);
              expect(existsSync(image), "something of the image is there").to.equal(false);
              expect(usage(directory)[what]).to.equal(before[what]);
              // it verifies itself at the end: what it sets up anew is not as large to the page
              await unharmed(program, view);
            });
          }
          await remount(directory, limit(after[what], after.blockSize));
          await program.dump(image, ["--leave-running"]);
          await program.verify();
          await program.cycle();
          await program.verify();
          await program.finish();
        });
      });
    });
  }

  it("for a deleted file: nothing of the tree is restored", async () => {
    await withTmpfs("size=16m", async (directory) => {
      const own = path.join(directory, "own");
      const filler = path.join(directory, "filler");
      mkdirSync(own);
      await withJournal(await Program.start("file_deleted", [], { directory: own }), async (program) => {
        const image = path.join(newDirectory(), "image");
        const pids = pidsOfTree(program.pid);
        const tids = tidsOfTree(program.pid);
        const before = viewTree(program.pid);
        const used = usage(directory).blocks;
        await program.dump(image);
        await program.gone(pids);
        const { blocks, blockSize, freeBlocks } = usage(directory);
        const needed = used - blocks;
        const clean = new Clean(tids, [own, image]);
        for (const missing of share([...steps(needed), needed])) {
          await naming(`${missing} blocks too few`, async () => {
            writeFileSync(filler, Buffer.alloc((freeBlocks - needed + missing) * blockSize, 1));
            const error = await mustFail("E_NO_SPACE", 9, ["restore", "-D", image, "-d"]);
            expect(error.message).to.include("ENOSPC");
            expect(error.hint).to.include("free some space");
            await clean.check();
            rmSync(filler);
          });
        }
        writeFileSync(filler, Buffer.alloc((freeBlocks - needed) * blockSize, 1));
        await program.restore(image);
        await program.mustLookLike(before);
        rmSync(filler);
        await program.verify();
        await program.finish();
      });
    });
  });
});
