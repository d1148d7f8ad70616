import { expect } from "chai";
import type { Inventory, Task } from "../../src/image/schema.js";
import * as validate from "../../src/image/validate.js";

const task = (pid: number, more: Partial<Task> = {}): Task => ({
  pids: [pid],
  ppid: pid === 1 ? 0 : 1,
  pgid: 1,
  sid: 1,
  comm: "a",
  state: "running",
  threads: [{ pids: [pid], comm: "a", sched: { policy: 0, nice: 0, priority: 0, affinity: [0], ioprio: 0 } as never }],
  core: `core-${pid}.elf`,
  descriptors: [],
  ...more,
});

const ZOMBIE: Partial<Task> = { state: "zombie", exitStatus: 0, exitSignal: 17, threads: [] };

function accepted(...tasks: Task[]): boolean {
  const files = tasks.map(({ pids: [pid = 0] }) => ({ name: `core-${pid}.elf`, size: 1n }));
  const inventory = { rootPid: 1, files } as unknown as Inventory;
  try {
    validate.crossCheck({ inventory, tasks, files: [], memory: [], ipc: { semaphores: [], queues: [] } });
    return true;
  } catch {
    return false;
  }
}

describe("image: memory shared since a fork", () => {
  it("is in the core of a live task that comes before", () => {
    expect(accepted(task(1), task(2, { sharesWith: 1 }), task(3, { sharesWith: 2 }))).to.equal(true);
    expect(accepted(task(1), task(2, { sharesWith: 3 }), task(3))).to.equal(false);
    expect(accepted(task(1), task(2, { sharesWith: 2 }))).to.equal(false);
    expect(accepted(task(1), task(2, { sharesWith: 7 }))).to.equal(false);
    expect(accepted(task(1), task(2, ZOMBIE), task(3, { sharesWith: 2 }))).to.equal(false);
  });
});
