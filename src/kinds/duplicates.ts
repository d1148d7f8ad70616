/** Descriptors of ours on those of the tree. */

import { closeSync } from "node:fs";

import { native } from "../native.js";
import { S_IFSOCK, isType, type Found } from "./types.js";

/** More than this are not kept: each takes a descriptor. */
const MOST = 256;

interface Duplicate {
  fd: number;
  users: number;
}

/** Undefined: none are kept. */
let kept: Map<Found, Duplicate> | undefined;

/** Sockets are asked again and again, and to duplicate one takes longer than to ask it: while `act` runs it is done once. */
export function keepDuplicates<T>(act: () => T): T {
  const own = (kept = new Map<Found, Duplicate>());
  try {
    return act();
  } finally {
    kept = undefined;
    for (const { fd } of own.values()) closeSync(fd);
  }
}

/** Acts on a descriptor of ours for it. */
export function withDuplicate<T>(found: Found, act: (fd: number) => T): T {
  const known = kept?.get(found);
  const duplicate = known ?? { fd: native().duplicateOf(found.holders[0].pid, found.holders[0].fd), users: 0 };
  if (known === undefined && kept !== undefined && isType(found.stat, S_IFSOCK) && hasRoom(kept)) kept.set(found, duplicate);
  duplicate.users++;
  try {
    return act(duplicate.fd);
  } finally {
    duplicate.users--;
    if (kept?.get(found) !== duplicate) closeSync(duplicate.fd);
  }
}

/** The oldest goes that nobody acts on. */
function hasRoom(duplicates: Map<Found, Duplicate>): boolean {
  if (duplicates.size < MOST) return true;
  for (const [found, { fd, users }] of duplicates) {
    if (users > 0) continue;
    duplicates.delete(found);
    closeSync(fd);
    return true;
  }
  return false;
}
