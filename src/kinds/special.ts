/** Files that look like regular ones and are not: what is behind them lives in the kernel. */

import { statfsSync } from "node:fs";

import { S_IFREG, isType, sourceOf, type Found } from "./types.js";

/** These are saved: see mqueue.ts. */
export const MESSAGE_QUEUE = "POSIX message queue";

/** f_type of statfs(2), and what the files of such a file system are */
const SPECIAL: ReadonlyMap<number, string> = new Map([
  [0x19800202, MESSAGE_QUEUE],
  [0x5345434d, "secret memory (memfd_secret)"],
  [0xcafe4a11, "BPF object"],
  [0x64626720, "debugfs file"],
  [0x74726163, "tracefs file"],
  [0xde5e81e4, "EFI variable"],
  [0x6165676c, "pstore file"],
]);

/** by device number */
const known = new Map<bigint, string | undefined>();

export function specialName(found: Found): string | undefined {
  if (!isType(found.stat, S_IFREG)) return undefined;
  const { dev } = found.stat;
  if (!known.has(dev)) known.set(dev, SPECIAL.get(statfsSync(sourceOf(found)).type));
  return known.get(dev);
}

export function isSpecial(found: Found): boolean {
  const name = specialName(found);
  return name !== undefined && name !== MESSAGE_QUEUE;
}
