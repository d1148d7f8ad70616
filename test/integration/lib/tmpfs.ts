/** A small file system of a test's own. */

import { expect } from "chai";
import { statfsSync } from "node:fs";
import { run } from "./crctl.js";
import { newDirectory } from "./directories.js";

async function mount(...args: readonly string[]): Promise<void> {
  const { status, stderr } = await run("mount", args);
  expect(status, stderr).to.equal(0);
}

/** A tmpfs with options (tmpfs(5)) that every user may write to, for one act. */
export async function withTmpfs(options: string, act: (directory: string) => Promise<void>): Promise<void> {
  const directory = newDirectory();
  await mount("-t", "tmpfs", "-o", `mode=777,${options}`, "test", directory);
  try {
    await act(directory);
  } finally {
    await run("umount", ["-l", directory]);
  }
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
