/** Descriptor tables, and which descriptors lead to the same open file description. */

import type { DescriptorFact } from "../image/elfcore.js";
import type { Descriptor } from "../image/schema.js";
import type { Found, Holder } from "../kinds/types.js";
import { inodeKey } from "../kinds/types.js";
import { native, type StatRecord } from "../native.js";
import { readDescriptors } from "../proc/descriptors.js";
import { parseFdInfo, type FdInfo } from "../proc/fdinfo.js";
import { viaOf } from "../proc/via.js";
import type { Problems } from "./problems.js";
import { died, type TaskState } from "./tasks.js";

export interface Descriptors {
  files: Found[];
  /** by pid */
  tables: ReadonlyMap<number, Descriptor[]>;
}

interface Entry {
  holder: Holder;
  link: string;
  stat: StatRecord;
  info: FdInfo;
}

/** What the module tells of descriptors beyond fdinfo: by pid. */
export type Untold = ReadonlyMap<number, readonly DescriptorFact[]>;

export function collectDescriptors(tasks: readonly TaskState[], untold: Untold, problems: Problems): Descriptors {
  const entries = tasks.flatMap((task) => entriesOf(task, problems));
  const same = compare(entries);
  const facts = new Map([...untold].map(([pid, all]) => [pid, byDescriptor(all)]));
  const files: Found[] = [];
  const tables = new Map<number, Descriptor[]>(tasks.map((task) => [task.frozen.pid, []]));
  const ids = new Map<number, number>(); // index of the first entry: id
  entries.forEach((entry, i) => {
    const first = same[i] ?? i;
    let id = ids.get(first);
    if (id === undefined) {
      id = files.length;
      ids.set(first, id);
      const { holder, link, stat, info } = entry;
      const told = facts.get(holder.pid)?.get(holder.fd) ?? [];
      files.push({
        id,
        holders: [holder],
        link,
        stat,
        info,
        untold: new Map(told.map(({ what, value }) => [what, value])),
        untoldData: new Map(told.flatMap(({ what, data }) => (data === undefined ? [] : [[what, data] as const]))),
      });
    } else {
      (files[id]?.holders as Holder[] | undefined)?.push(entry.holder);
    }
    tables.get(entry.holder.pid)?.push({ fd: entry.holder.fd, file: id, cloexec: entry.info.cloexec });
  });
  return { files, tables };
}

function byDescriptor(facts: readonly DescriptorFact[]): ReadonlyMap<number, DescriptorFact[]> {
  const byFd = new Map<number, DescriptorFact[]>();
  for (const fact of facts) {
    const known = byFd.get(fact.fd);
    if (known === undefined) byFd.set(fact.fd, [fact]);
    else known.push(fact);
  }
  return byFd;
}

function entriesOf(task: TaskState, problems: Problems): Entry[] {
  const { pid } = task.frozen;
  const { comm } = task.stat;
  const via = viaOf(task.frozen);
  let records;
  try {
    records = readDescriptors(via);
  } catch (error) {
    throw died(pid, error);
  }
  return records.flatMap(({ fd, link, stat, info }): Entry[] => {
    if (typeof link === "string" && typeof stat === "object" && typeof info === "string") {
      const parsed = parseFdInfo(info);
      return [{ holder: { pid, via, comm, fd, locks: parsed.locks }, link, stat, info: parsed }];
    }
    const failure = [link, stat, info].find((value) => typeof value === "number");
    problems.add({ pid, comm, fd, object: "descriptor", why: `it cannot be examined (error ${-Number(failure)})` });
    return [];
  });
}

/**
 * For each entry the index of the first that is the same description. Only those that look the same in every way can be:
 * position and flags belong to the description.
 */
function compare(entries: readonly Entry[]): number[] {
  const buckets = new Map<string, number>();
  const bucketOf = entries.map(({ link, stat, info }) => {
    const key = `${inodeKey(stat)} ${info.position} ${info.flags} ${info.mountId} ${link}`;
    let bucket = buckets.get(key);
    if (bucket === undefined) buckets.set(key, (bucket = buckets.size));
    return bucket;
  });
  return native().kcmpFiles(
    entries.map(({ holder }) => holder.via),
    entries.map(({ holder }) => holder.fd),
    bucketOf,
  );
}
