/** Checksums. The inventory holds those of the other files, and its own at its very end. */

import { createHash } from "node:crypto";

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The last value of the packed inventory is a string of this many characters: the hash of all bytes before it. */
export const SEAL_LENGTH = 64;

export function sealOf(inventory: Uint8Array): string {
  return sha256(inventory.subarray(0, -SEAL_LENGTH));
}

/** Fills the seal in; `inventory` ends in a string of SEAL_LENGTH characters. */
export function seal(inventory: Uint8Array): void {
  inventory.set(new TextEncoder().encode(sealOf(inventory)), inventory.length - SEAL_LENGTH);
}
