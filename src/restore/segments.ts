/** Segments of System V shared memory that a restore has made, where its executor was killed and nobody has removed them. */

import { native } from "../native.js";
import { readSegments } from "../proc/sysvipc.js";
import { OP, PlanSegment, type Op } from "./plan.js";

/** Only those that the executor made: others were there before. What its tasks still have attached goes with them. */
export function removeSegments(create: readonly Op[], executor: number): void {
  const wanted = new Set(create.flatMap(idOf));
  if (wanted.size === 0) return;
  for (const { id, creatorPid } of readSegments()) {
    if (wanted.has(id) && creatorPid === executor) native().removeSegment(id);
  }
}

function idOf({ type, data }: Op): number[] {
  if (type !== OP.SEGMENT || !(data instanceof Uint8Array)) return [];
  return [PlanSegment.read(new DataView(data.buffer, data.byteOffset, data.byteLength), 0).id];
}
