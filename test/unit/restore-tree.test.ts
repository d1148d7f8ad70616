/** Who forks whom: plans are carried out by a model of fork, setsid and setpgid, and the trees compared. */

import { expect } from "chai";

import { NO_PROC, OP, PROC_KIND, STAGE, STAGES, type Op } from "../../src/restore/plan.js";
import { planTree, type TreePlan, type TreeTask } from "../../src/restore/tree.js";
import { randomTree } from "./lib/tree-model.js";

const CALLER = { pid: 1, sid: 10, pgid: 11 };

interface Process {
  pid: number;
  parent: Process | undefined;
  sid: number;
  pgid: number;
  alive: boolean;
  subreaper: boolean;
}

/** Carries out a plan stage by stage as the kernel would, errors included. */
class Model {
  readonly processes = new Map<number, Process>();
  private readonly executor: Process = { ...CALLER, parent: undefined, alive: true, subreaper: true };

  constructor(private readonly plan: TreePlan) {}

  run(): void {
    this.forkAll(this.executor, this.plan.fork);
    for (const stage of [STAGE.GROUP, STAGE.MOVE]) {
      for (const planned of this.plan.processes) for (const op of planned.stages[stage] ?? []) this.perform(this.of(planned.pid), op);
    }
    // whoever is to end, does; and is reaped only by its own parent
    for (const planned of this.plan.processes) if (planned.kind === PROC_KIND.HELPER) this.of(planned.pid).alive = false;
    for (const op of this.plan.settle) this.perform(this.executor, op);
    for (const planned of this.plan.processes) for (const op of planned.stages[STAGE.FINAL] ?? []) this.perform(this.of(planned.pid), op);
  }

  of(pid: number): Process {
    const process = this.processes.get(pid);
    if (process === undefined) throw new Error(`process ${pid} was never forked`);
    return process;
  }

  private forkAll(process: Process, ops: readonly Op[]): void {
    for (const op of ops) this.perform(process, op);
  }

  private perform(process: Process, op: Op): void {
    switch (op.type) {
      case OP.FORK:
        this.fork(process, process, op);
        return;
      case OP.FORK_SIBLING:
        if (process.parent === undefined) throw new Error("the executor has no siblings");
        this.fork(process, process.parent, op);
        return;
      case OP.FORK_ORPHAN: {
        let reaper: Process | undefined = process;
        while (reaper !== undefined && !reaper.subreaper) reaper = reaper.parent;
        this.fork(process, reaper ?? this.executor, op);
        return;
      }
      case OP.SUBREAPER:
        process.subreaper = true;
        return;
      case OP.SETSID:
        if (this.groupExists(process.pid)) throw new Error(`setsid of ${process.pid}: EPERM`);
        process.sid = process.pgid = process.pid;
        return;
      case OP.SETPGID: {
        const group = op.arg === 0 ? process.pid : (op.arg ?? 0);
        if (process.sid === process.pid) throw new Error(`setpgid of session leader ${process.pid}: EPERM`);
        const inSession = [...this.processes.values()].some((other) => other.alive && other.pgid === group && other.sid === process.sid);
        const callers = group === CALLER.pgid && process.sid === CALLER.sid;
        if (group !== process.pid && !inSession && !callers) throw new Error(`setpgid of ${process.pid} to ${group}: EPERM`);
        process.pgid = group;
        return;
      }
      case OP.REAP: {
        const child = this.planned(op);
        if (child.parent !== process || child.alive) throw new Error(`${process.pid} cannot reap ${child.pid}`);
        this.processes.delete(child.pid);
        return;
      }
      case OP.AWAIT_ZOMBIE:
        if (this.planned(op).parent !== process) throw new Error(`${process.pid} awaits a stranger`);
        return;
      default:
        throw new Error(`unexpected operation ${op.type}`);
    }
  }

  private planned(op: Op): Process {
    return this.of(this.plan.processes[op.arg ?? -1]?.pid ?? 0);
  }

  private groupExists(group: number): boolean {
    return [...this.processes.values()].some((process) => process.alive && process.pgid === group);
  }

  private fork(from: Process, parent: Process, op: Op): void {
    const planned = this.plan.processes[op.arg ?? -1];
    if (planned === undefined) throw new Error("fork of nobody");
    if (this.processes.has(planned.pid)) throw new Error(`${planned.pid} is forked twice`);
    const expected = planned.parent === NO_PROC ? this.executor.pid : this.plan.processes[planned.parent]?.pid;
    if (parent.pid !== expected) throw new Error(`${planned.pid} gets the parent ${parent.pid} instead of ${expected}`);
    const child = { pid: planned.pid, parent, sid: from.sid, pgid: from.pgid, alive: true, subreaper: false };
    this.processes.set(planned.pid, child);
    this.forkAll(child, planned.stages[STAGE.FORK] ?? []);
  }
}

function task(pid: number, ppid: number, pgid: number, sid: number, more: Partial<TreeTask> = {}): TreeTask {
  return { pid, ppid, pgid, sid, comm: `t${pid}`, subreaper: false, ...more };
}

const zombie = { zombie: { status: 0, signal: 17 } };

function carryOut(tasks: readonly TreeTask[], adoptSession = false): TreePlan {
  const plan = planTree(tasks, { adoptSession, callerGroup: CALLER.pgid });
  expect(plan.problems).to.deep.equal([]);
  const model = new Model(plan);
  model.run();
  expect(model.processes.size).to.equal(tasks.length);
  const [root] = tasks;
  const pids = new Set(tasks.map(({ pid }) => pid));
  const adopted = adoptSession && root !== undefined && !pids.has(root.sid) ? root : undefined;
  for (const wanted of tasks) {
    const process = model.of(wanted.pid);
    const inCaller = wanted.sid === adopted?.sid;
    const inCallerGroup = inCaller && wanted.pgid === adopted.pgid && !pids.has(wanted.pgid);
    expect(process, `task ${wanted.pid}`).to.include({
      sid: inCaller ? CALLER.sid : wanted.sid,
      pgid: inCallerGroup ? CALLER.pgid : wanted.pgid,
    });
    expect(process.parent?.pid).to.equal(wanted === root ? CALLER.pid : wanted.ppid);
  }
  return plan;
}

describe("restore: who forks whom", () => {
  it("one task that leads its session", () => {
    const plan = carryOut([task(100, 50, 100, 100)]);
    expect(plan.barriers).to.have.length(0);
    expect(plan.processes[0]?.stages).to.have.length(STAGES);
  });

  it("a shell's pipeline: groups led by one of the siblings", () => {
    const plan = carryOut([
      task(100, 50, 100, 100),
      task(101, 100, 101, 100),
      task(102, 100, 101, 100),
      task(103, 100, 101, 100),
      task(104, 100, 104, 100),
    ]);
    expect([...plan.barriers]).to.deep.equal([STAGE.FORK]);
  });

  it("a daemon whose middle process ended: its session leader is dead", () => {
    const plan = carryOut([task(100, 50, 100, 100, { subreaper: true }), task(103, 100, 102, 102), task(104, 103, 102, 102)]);
    expect(plan.processes.map((process) => process.kind)).to.deep.equal([PROC_KIND.LIVE, PROC_KIND.LIVE, PROC_KIND.LIVE, PROC_KIND.HELPER]);
  });

  it("a daemon as the root: its session leader is dead", () => {
    carryOut([task(103, 1, 102, 102), task(104, 103, 102, 102)]);
  });

  it("a child that was forked before its parent's setsid", () => {
    carryOut([task(100, 50, 100, 100), task(101, 100, 101, 101), task(102, 101, 100, 100), task(103, 101, 101, 101)]);
  });

  it("such a child below a chain of session leaders", () => {
    carryOut([task(100, 50, 100, 100), task(101, 100, 101, 101), task(102, 101, 102, 102), task(103, 102, 100, 100)]);
  });

  it("an orphan of a session further down, taken in by a subreaper", () => {
    const plan = carryOut([
      task(100, 50, 100, 100, { subreaper: true }),
      task(101, 100, 100, 100),
      task(102, 101, 102, 102),
      task(105, 100, 102, 102),
    ]);
    expect(plan.processes[0]?.stages[STAGE.FORK]?.map(({ type }) => type)).to.include(OP.SUBREAPER);
  });

  it("two orphans of a dead leader, one below the other's adoptive parent", () => {
    carryOut([
      task(100, 50, 100, 100, { subreaper: true }),
      task(101, 100, 100, 100, { subreaper: true }),
      task(105, 101, 104, 104),
      task(106, 101, 104, 104),
    ]);
  });

  it("a group whose leader is dead", () => {
    const plan = carryOut([task(100, 50, 100, 100), task(102, 100, 101, 100), task(103, 100, 101, 100), task(104, 102, 101, 100)]);
    expect([...plan.barriers]).to.deep.equal([STAGE.FORK, STAGE.GROUP]);
  });

  it("a group leader that moved to another group", () => {
    carryOut([
      task(100, 50, 100, 100),
      task(101, 100, 103, 100),
      task(102, 100, 101, 100),
      task(103, 100, 103, 100),
      task(104, 101, 101, 100),
    ]);
  });

  it("a group leader that moved to the group of a dead one", () => {
    carryOut([task(100, 50, 100, 100), task(101, 100, 99, 100), task(102, 100, 101, 100)]);
  });

  it("zombies that lead a session and a group", () => {
    carryOut([
      task(100, 50, 100, 100, { subreaper: true }),
      task(101, 100, 101, 101, zombie),
      task(102, 100, 102, 101),
      task(103, 100, 103, 100, zombie),
      task(104, 100, 103, 100),
      task(105, 100, 103, 100, zombie),
    ]);
  });

  it("a zombie's group whose members are all zombies, without its leader", () => {
    carryOut([task(100, 50, 100, 100), task(102, 100, 101, 100, zombie), task(103, 100, 101, 100, zombie)]);
  });

  it("a shell's job joins the caller's session and group", () => {
    const plan = carryOut([task(100, 50, 60, 50), task(101, 100, 60, 50), task(102, 100, 102, 50), task(103, 100, 103, 103)], true);
    expect(plan.rootInCallerGroup).to.equal(true);
  });

  it("a shell's job that leads its own group", () => {
    const plan = carryOut([task(100, 50, 100, 50), task(101, 100, 100, 50), task(102, 101, 102, 102), task(103, 102, 100, 50)], true);
    expect(plan.rootInCallerGroup).to.equal(false);
  });

  it("refuses by name what cannot be rebuilt", () => {
    const { problems } = planTree(
      [task(100, 50, 100, 100), task(101, 100, 100, 100), task(102, 101, 100, 100), task(104, 102, 104, 104), task(103, 101, 104, 104)],
      { adoptSession: false, callerGroup: 11 },
    );
    expect(problems).to.have.length(1);
    expect(problems[0]).to.include({ code: "E_SESSION", pid: 103 });
  });

  it("refuses what the kernel would never have", () => {
    const refused = (...tasks: TreeTask[]): number => planTree(tasks, { adoptSession: false, callerGroup: 11 }).problems.length;
    expect(refused(task(100, 50, 100, 100), task(101, 100, 100, 102), task(102, 100, 102, 100))).to.be.greaterThan(0);
    expect(refused(task(100, 50, 101, 100), task(101, 100, 101, 100))).to.be.greaterThan(0);
    expect(refused(task(100, 50, 100, 100), task(101, 100, 101, 101), task(102, 100, 101, 100))).to.be.greaterThan(0);
    expect(refused(task(100, 50, 50, 0))).to.be.greaterThan(0);
  });

  it("a long chain does not exhaust the stack", () => {
    const tasks = [task(100, 50, 100, 100)];
    for (let pid = 101; pid < 20000; pid++) tasks.push(task(pid, pid - 1, 100, 100));
    const plan = planTree(tasks, { adoptSession: false, callerGroup: 11 });
    expect(plan.problems).to.deep.equal([]);
  });

  it("histories of random trees", function () {
    this.timeout(20000);
    for (let seed = 1; seed <= 1000; seed++) {
      const tasks = randomTree(seed);
      try {
        carryOut(tasks);
      } catch (error) {
        if (error instanceof Error) error.message = `seed ${seed}: ${error.message}\n${JSON.stringify(tasks)}`;
        throw error;
      }
    }
  });
});
