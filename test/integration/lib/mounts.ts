/** File systems of a test's own. */

import { expect } from "chai";
import { mkdirSync, statfsSync } from "node:fs";
import path from "node:path";
import { run } from "./crctl.js";
import { newDirectory } from "./directories.js";

async function mount(...args: readonly string[]): Promise<void> {
  const { status, stderr } = await run("mount", args);
  expect(status, stderr).to.equal(0);
}

async function withMount(type: string, options: string, act: (directory: string) => Promise<void>): Promise<void> {
  const directory = newDirectory();
  await mount("-t", type, "-o", options, "test", directory);
  try {
    await act(directory);
  } finally {
    await run("umount", ["-l", directory]);
  }
}

/** A tmpfs with options (tmpfs(5)) that every user may write to, for one act. */
export function withTmpfs(options: string, act: (directory: string) => Promise<void>): Promise<void> {
  return withMount("tmpfs", `mode=777,${options}`, act);
}

/** An empty overlayfs, whose layers are of two file systems: it opens no file by a handle. */
export async function withOverlay(act: (directory: string) => Promise<void>): Promise<void> {
  await withTmpfs("size=10m", async (lower) => {
    const layer = newDirectory();
    const [upper, work] = [path.join(layer, "upper"), path.join(layer, "work")];
    mkdirSync(upper);
    mkdirSync(work);
    await withMount("overlay", `lowerdir=${lower},upperdir=${upper},workdir=${work}`, act);
  });
}

/** Other limits of it: size (in bytes), nr_inodes. */
export function remount(directory: string, options: string): Promise<void> {
  return mount("-o", `remount,${options}`, directory);
}

/** What is in use of a file system. */
export function usage(directory: string): { blocks: number; inodes: number; blockSize: number; freeBlocks: number } {
  const { blocks, bfree, files, ffree, bsize } = statfsSync(directory);
  return { blocks: blocks - bfree, inodes: files - ffree, blockSize: bsize, freeBlocks: bfree };
}
