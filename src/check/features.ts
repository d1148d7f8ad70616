/** The table of what is probed. */

import { DESCRIPTORS } from "./descriptors.js";
import { KERNEL } from "./kernel.js";
import { MEMORY } from "./memory.js";
import { PROCESSOR } from "./processor.js";
import { RIGHTS } from "./rights.js";
import { SOCKETS } from "./sockets.js";
import { answerOf, type Feature, type Probe } from "./types.js";

const PROBES: readonly Probe[] = [...KERNEL, ...RIGHTS, ...MEMORY, ...DESCRIPTORS, ...SOCKETS, ...PROCESSOR];

export function features(): Feature[] {
  return PROBES.map(answerOf);
}

export function featureIds(): string[] {
  return PROBES.map(({ id }) => id);
}

/** undefined: there is none of that name. */
export function feature(id: string): Feature | undefined {
  const probe = PROBES.find((candidate) => candidate.id === id);
  return probe === undefined ? undefined : answerOf(probe);
}
