/** Of System V objects, what there cannot be. */

import type { Ipc, MappedFile, MessageQueue, SemaphoreSet, SysvObject, Task } from "./schema.js";
import type { Demand } from "./validate-sockets.js";

const U32_MAX = 0xffffffff;
const S32_MAX = 0x7fffffff;
const I64_MAX = (1n << 63n) - 1n;
const U64_MAX = (1n << 64n) - 1n;
const PAGE = 4096n;
/** SEMVMX */
const MAX_VALUE = 32767;
/** numbers of semaphores have 16 bits */
const MAX_SEMAPHORES = 65536;

/** Objects of one kind: each has an id, and a key that leads to one, of its own. */
class Kind {
  private readonly ids = new Set<number>();
  private readonly keys = new Set<number>();

  constructor(
    private readonly name: string,
    private readonly demand: Demand,
  ) {}

  /** `keyed`: its key leads to it */
  check({ id, key, mode, uid, gid, cuid, cgid }: SysvObject, keyed: boolean): void {
    const { name, demand, ids, keys } = this;
    demand(id <= S32_MAX && !ids.has(id), `${name} ${id} has an impossible id`);
    demand(Math.abs(key) <= S32_MAX + 1 && (key | 0) === key, `${name} ${id} has an impossible key`);
    demand(!keyed || key === 0 || !keys.has(key), `${name} ${id} has the key of another one`);
    demand([uid, gid, cuid, cgid].every((owner) => owner <= U32_MAX) && mode <= 0o777, `${name} ${id} has an impossible owner or mode`);
    ids.add(id);
    if (keyed) keys.add(key);
  }
}

/** Mappings lead to them by their ids. */
export function crossCheckSegments(memory: readonly MappedFile[], demand: Demand): void {
  const segments = new Kind("segment", demand);
  for (const { id: index, kind, kernelIno, segment, data } of memory) {
    demand((kind === "sysv") === (segment !== undefined), `mapped file ${index} is half a segment`);
    if (segment === undefined) continue;
    const { id, size, destroyed } = segment;
    demand(kernelIno === BigInt(id), `mapped file ${index} has an impossible id`);
    segments.check(segment, !destroyed);
    const aligned = pageAligned(size, data?.huge?.pageBytes ?? PAGE);
    demand(size > 0n && size <= I64_MAX - PAGE && data?.size === aligned, `segment ${id} has contents of another size`);
  }
}

function pageAligned(size: bigint, page: bigint): bigint {
  return (size + page - 1n) & ~(page - 1n);
}

export function crossCheckIpc({ semaphores, queues }: Ipc, tasks: readonly Task[], demand: Demand): void {
  const all = new Set(tasks.map(({ pids }) => pids[0] ?? 0)).add(0);
  const live = new Set(tasks.filter(({ state }) => state !== "zombie").map(({ pids }) => pids[0] ?? 0));
  const [sets, messages] = [new Kind("semaphore set", demand), new Kind("message queue", demand)];
  for (const set of semaphores) {
    sets.check(set, true);
    checkSet(set, { all, live }, demand);
  }
  for (const queue of queues) {
    messages.check(queue, true);
    checkQueue(queue, all, demand);
  }
}

function checkSet(
  { id, values, lastPids, undo }: SemaphoreSet,
  { all, live }: { all: ReadonlySet<number>; live: ReadonlySet<number> },
  demand: Demand,
): void {
  const check: Demand = (condition, what) => demand(condition, `semaphore set ${id} ${what}`);
  check(values.length > 0 && values.length <= MAX_SEMAPHORES, "has an impossible number of semaphores");
  check(
    values.every((value) => value <= MAX_VALUE),
    "has an impossible value",
  );
  check(lastPids.length === values.length && lastPids.every((pid) => all.has(pid)), "was operated on by no task");
  const pids = new Set<number>();
  for (const { pid, adjustments } of undo) {
    check(live.has(pid) && !pids.has(pid), "is to be undone by no task");
    pids.add(pid);
    adjustments.forEach(({ semaphore, value }, i) => {
      check(semaphore < values.length && semaphore > (adjustments[i - 1]?.semaphore ?? -1), "has no such semaphore to undo");
      check(value !== 0 && value >= -MAX_VALUE - 1 && value <= MAX_VALUE, "has something impossible to undo");
    });
  }
}

function checkQueue({ id, maxBytes, lastSender, lastReceiver, messages }: MessageQueue, all: ReadonlySet<number>, demand: Demand): void {
  demand(maxBytes >= 0n && maxBytes <= U64_MAX, `message queue ${id} has an impossible limit`);
  demand(all.has(lastSender) && all.has(lastReceiver), `message queue ${id} was used by no task`);
  for (const { type } of messages) demand(type > 0n && type <= I64_MAX, `message queue ${id} has a message of an impossible type`);
}
