/** Of POSIX message queues, what there cannot be. */

import type { MqueueFile, OpenFile, PosixQueue, Task } from "./schema.js";
import type { Demand } from "./validate-sockets.js";

const U32_MAX = 0xffffffff;
const U64_MAX = (1n << 64n) - 1n;
const S64_MAX = (1n << 63n) - 1n;
/** HARD_MSGMAX, HARD_MSGSIZEMAX, MQ_PRIO_MAX */
const MAX_MESSAGES = 65536n;
const MAX_SIZE = 16n << 20n;
const PRIORITIES = 32768;
const LONGEST_NAME = 255;
const MAX_SIGNAL = 64;

/** Each is described once, and each that has a name has its own. */
export function crossCheckMqueues(files: readonly OpenFile[], tasks: readonly Task[], demand: Demand): void {
  const all = files.filter((file): file is MqueueFile => file.kind === "mqueue");
  const described = new Set<bigint>();
  const names = new Set<string>();
  for (const { id, ino, position, queue } of all) {
    demand(ino > 0n && ino <= U64_MAX && position >= 0n && position <= S64_MAX, `open file ${id} is an impossible message queue`);
    if (queue === undefined) continue;
    demand(!described.has(ino), `message queue /${queue.name} is there twice`);
    demand(queue.deleted || !names.has(queue.name), `message queue /${queue.name} has the name of another one`);
    described.add(ino);
    if (!queue.deleted) names.add(queue.name);
    checkQueue(queue, demand);
    const { notify } = queue;
    if (notify !== undefined) {
      const sharing = new Set(all.filter((other) => other.ino === ino).map((other) => other.id));
      const owner = tasks.find(({ pids, state }) => pids[0] === notify.pid && state !== "zombie");
      demand(
        owner?.descriptors.some(({ file }) => sharing.has(file)) === true,
        `message queue /${queue.name} notifies a task that does not have it`,
      );
    }
  }
  for (const { id, ino } of all) demand(described.has(ino), `open file ${id} is a message queue that is not described`);
}

function checkQueue({ name, dev, mode, uid, gid, maxMessages, messageSize, messages, notify }: PosixQueue, demand: Demand): void {
  const check: Demand = (condition, what) => demand(condition, `message queue /${name} ${what}`);
  const length = Buffer.byteLength(name);
  check(length > 0 && length <= LONGEST_NAME && !/[/\0]/.test(name) && name !== "." && name !== "..", "has an impossible name");
  check(dev >= 0n && dev <= U64_MAX && mode <= 0o7777 && uid <= U32_MAX && gid <= U32_MAX, "has an impossible owner or mode");
  check(maxMessages > 0n && maxMessages <= MAX_MESSAGES && messageSize > 0n && messageSize <= MAX_SIZE, "has an impossible size");
  check(BigInt(messages.length) <= maxMessages, "holds more than it has room for");
  for (const { priority, data } of messages)
    check(priority < PRIORITIES && BigInt(data.length) <= messageSize, "holds an impossible message");
  if (notify !== undefined)
    check(notify.signal <= MAX_SIGNAL && notify.value >= 0n && notify.value <= U64_MAX, "notifies in an impossible way");
}
