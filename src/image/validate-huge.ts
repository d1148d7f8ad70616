/** Of contents of huge pages, what there cannot be. */

import { HUGE_SIZES } from "../kinds/huge.js";
import type { DataRef, FileIdentity, MappedFile, OpenFile } from "./schema.js";
import type { Demand } from "./validate-sockets.js";

const I64_MAX = (1n << 63n) - 1n;

export function crossCheckHugePages(memory: readonly MappedFile[], files: readonly OpenFile[], demand: Demand): void {
  for (const { id, identity, data } of memory) check(`mapped file ${id}`, identity, data, demand);
  for (const file of files) if (file.kind === "regular") check(`open file ${file.id}`, file.identity, file.data, demand);
}

function check(what: string, identity: FileIdentity, data: DataRef | undefined, demand: Demand): void {
  if (data?.huge === undefined) return;
  const { size, huge } = data;
  const { pageBytes, runs } = huge;
  demand(HUGE_SIZES.includes(pageBytes), `${what} has pages of an impossible size`);
  const isAligned = (bytes: bigint): boolean => bytes % pageBytes === 0n;
  demand(size >= 0n && size <= I64_MAX && isAligned(size), `${what} has contents of no whole huge pages`);
  demand(identity.size >= 0n && identity.size <= size, `${what} is longer than its contents`);
  runs.forEach(({ start, end }, i) => {
    const last = runs[i - 1]?.end ?? 0n;
    demand(start >= last && start < end && end <= size && isAligned(start) && isAligned(end), `${what} has impossible huge pages`);
  });
}
