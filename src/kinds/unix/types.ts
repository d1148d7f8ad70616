/** What the parts of restoring sockets of AF_UNIX share. */

import type { UnixFile } from "../../image/schema.js";

export const AF_UNIX = 1;
export const SOCK_DGRAM = 2;

/** The sockets of an image, and what has been made of them. */
export interface Made {
  readonly files: readonly UnixFile[];
  readonly byIno: ReadonlyMap<bigint, UnixFile>;
  /** by inode */
  readonly slots: ReadonlyMap<bigint, number>;
  /** of ends that are gone: who they were connected to */
  readonly lost: ReadonlyMap<UnixFile, number>;
}

/** Without the NUL behind a path. */
export function plainName(name: Uint8Array): Buffer {
  const bytes = Buffer.from(name);
  return bytes[0] !== 0 && bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes;
}
