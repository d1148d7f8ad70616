/** An image as one JSON value: everything but contents. */

import type { CoreHead } from "../image/elfcore.js";
import type { Image } from "../image/read.js";

export function jsonImage(image: Image, cores: ReadonlyMap<string, CoreHead>): Record<string, unknown> {
  return plain({
    dir: image.dir,
    inventory: image.inventory,
    tasks: image.tasks,
    files: image.files,
    memory: image.memory,
    ipc: image.ipc,
    cores: Object.fromEntries([...cores].map(([name, head]) => [name, jsonCore(head)])),
  }) as Record<string, unknown>;
}

function jsonCore(head: CoreHead): Record<string, unknown> {
  return {
    info: head.info,
    mm: head.mm,
    process: head.process,
    threads: head.threads(),
    creds: head.creds(),
    sigactions: head.sigactions(),
    pending: head.pending(),
    timers: head.timers(),
    vmas: head.vmas(),
    policies: head.policies(),
    loads: Array.from({ length: head.loadCount }, (_, i) => head.load(i)),
    pageBytes: head.pageBytes,
    sharedBytes: head.sharedBytes() ?? 0n,
    fileBytes: head.fileBytes,
  };
}

/** Binary becomes base64. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map((item: unknown) => plain(item));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value;
}
