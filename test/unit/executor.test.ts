/**
 * The executor with real processes. Where images cannot be executed, tasks run a program instead that keeps to the
 * protocol of gate and report. Choosing pids needs root: without it these tests do not exist.
 */

import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { expect } from "chai";

import type { Fault } from "../../src/fault.js";
import { native } from "../../src/native.js";
import { OP, type Op, type Plan } from "../../src/restore/plan.js";
import type { TreeTask } from "../../src/restore/tree.js";
import {
  eventually,
  expectGone,
  finish,
  isOver,
  kill,
  lineOf,
  oldIds,
  parked,
  planFor,
  setUp,
  shifted,
  simple,
  startPlan,
  statOf,
  tearDown,
  type Extra,
} from "./lib/executor.js";

let dir = "";

const describeAsRoot = process.getuid?.() === 0 ? describe : (): void => undefined;

describeAsRoot("the executor", function () {
  this.timeout(60000);

  before(() => {
    dir = setUp();
  });

  after(tearDown);

  it("rebuilds random trees: parents, groups, sessions, zombies", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const tasks = shifted(seed);
      const pids = tasks.map(({ pid }) => pid);
      const run = startPlan(planFor(tasks));
      try {
        expect(lineOf(run), `seed ${seed}`).to.equal(`running ${tasks[0]?.pid ?? 0}`);
        for (const task of tasks) {
          const stat = statOf(task.pid);
          expect(stat, `seed ${seed}`).to.include({ ppid: task === tasks[0] ? run.pid : task.ppid, pgid: task.pgid, sid: task.sid });
          expect(stat.state === "Z", `seed ${seed}`).to.equal(task.zombie !== undefined);
          if (task.zombie !== undefined) expect(stat.comm).to.equal(task.comm);
        }
      } finally {
        kill(pids);
        finish(run);
      }
    }
  });

  it("rebuilds random trees with new ids", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const tasks = shifted(seed);
      // an argument that does nothing tells which task of the plan it is
      const plan = planFor(tasks, { final: ({ pid }) => [parked(`task${pid}`)] });
      const run = startPlan({ ...plan, newPids: true, pids: [] });
      let pids: number[] = [];
      try {
        const root = Number(/^running (\d+)$/.exec(lineOf(run) ?? "")?.[1]);
        pids = native()
          .listTree(root)
          .map(({ pid }) => pid);
        const ids = oldIds(pids);
        const live = tasks.filter(({ zombie }) => zombie === undefined);
        expect([...ids.keys()].sort(), `seed ${seed}`).to.deep.equal(live.map(({ pid }) => pid).sort());
        expect(ids.get(tasks[0]?.pid ?? 0)).to.equal(root);
        // what a parked program forks is called as it is
        const zombies = pids
          .flatMap((pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean))
          .map((pid) => statOf(Number(pid)))
          .filter(({ comm }) => comm !== "parked");
        const dead = tasks.filter(({ zombie }) => zombie !== undefined);
        expect(zombies.map(({ comm }) => comm).sort(), `seed ${seed}`).to.deep.equal(dead.map(({ comm }) => comm).sort());
        // leaders that had ended have no new id that could be known: whoever had the same has the same
        const groups = new Map<number, number>();
        const sessions = new Map<number, number>();
        for (const { pid, ppid, pgid, sid } of live) {
          const stat = statOf(ids.get(pid) ?? 0);
          if (pid !== tasks[0]?.pid) expect(stat.ppid, `seed ${seed}`).to.equal(ids.get(ppid));
          expect(stat.pgid, `seed ${seed}`).to.equal(ids.get(pgid) ?? groups.get(pgid) ?? stat.pgid);
          expect(stat.sid, `seed ${seed}`).to.equal(ids.get(sid) ?? sessions.get(sid) ?? stat.sid);
          groups.set(pgid, stat.pgid);
          sessions.set(sid, stat.sid);
        }
        expect(new Set(groups.values()).size, `seed ${seed}`).to.equal(groups.size);
        expect(new Set(sessions.values()).size, `seed ${seed}`).to.equal(sessions.size);
      } finally {
        kill(pids);
        finish(run);
      }
    }
  });

  it("leaves zombies with the status that they had", () => {
    const [root, first, second] = simple(3);
    if (root === undefined || first === undefined || second === undefined) throw new Error();
    const tasks = [root, { ...first, zombie: { status: 7 << 8, signal: 17 } }, { ...second, zombie: { status: 11, signal: 17 } }];
    const run = startPlan(planFor(tasks));
    try {
      expect(lineOf(run)).to.match(/^running \d+$/);
      expect(statOf(first.pid)).to.include({ state: "Z", exitStatus: 7 << 8 });
      expect(statOf(second.pid)).to.include({ state: "Z", exitStatus: 11 });
    } finally {
      kill([root.pid]);
      finish(run);
    }
  });

  /** Nothing of it may be left, and it must say that it failed. */
  function mustFail(tasks: readonly TreeTask[], fault: Fault): void {
    const pids = tasks.map(({ pid }) => pid);
    const run = startPlan({ ...planFor(tasks), fault });
    try {
      const lines = finish(run);
      expect(lines[0], fault.point).to.match(/^error /);
      expect(lines.at(-1)).to.equal("cleared");
      expectGone(pids);
    } catch (error) {
      kill([run.pid, ...pids]);
      if (error instanceof Error) error.message += ` (${fault.point}:${fault.nth}, root ${pids[0]})`;
      throw error;
    }
  }

  it("fails if a process is killed at birth, be it a task, a zombie or a helper", () => {
    const kindsOf = (tasks: readonly TreeTask[]): number[] => planFor(tasks).processes.map(({ kind }) => kind);
    // the smallest tree that has all three
    const [tasks = []] = Array.from({ length: 30 }, (_, seed) => shifted(seed + 1))
      .filter((candidate) => new Set(kindsOf(candidate)).size === 3)
      .sort((a, b) => kindsOf(a).length - kindsOf(b).length);
    expect(tasks).to.not.deep.equal([]);
    kindsOf(tasks).forEach((_, i) => {
      mustFail(tasks, { point: "executor.born", nth: i + 1, action: "die" });
    });
  });

  it("fails if what is to be a zombie ends in another way", () => {
    const [root, first] = simple(2);
    if (root === undefined || first === undefined) throw new Error();
    mustFail([root, { ...first, zombie: { status: 7 << 8, signal: 17 } }], { point: "executor.op.die", nth: 1, action: "die" });
  });

  it("tells how the root ended", () => {
    for (const [args, status] of [
      [["exit", "42"], 42 << 8],
      [["kill", "15"], 15],
    ] as const) {
      const tasks = simple(1);
      const run = startPlan(planFor(tasks, { final: () => [parked(...args)] }));
      expect(finish(run)).to.deep.equal([`running ${tasks[0]?.pid ?? 0}`, `exit ${status}`]);
    }
  });

  it("with detach ends when the tree runs", () => {
    const tasks = simple(3);
    const run = startPlan({ ...planFor(tasks), detach: true });
    expect(finish(run)).to.deep.equal([`running ${tasks[0]?.pid ?? 0}`]);
    expect(statOf(tasks[0]?.pid ?? 0).ppid).to.not.equal(run.pid);
    kill(tasks.map(({ pid }) => pid));
  });

  it("opens each object once and puts descriptors into place", () => {
    writeFileSync(`${dir}/file`, "0123456789");
    const [a, b, c, reader, writer] = [2, 3, 4, 5, 6];
    const tasks = simple(2);
    const run = startPlan(
      planFor(tasks, {
        slots: 5,
        create: [
          { type: OP.OPEN, slot: a, flags: 2, data: `${dir}/file` },
          { type: OP.SEEK, slot: a, a: 4n },
          { type: OP.GHOST, slot: b, a: 0o640n, data: `${dir}/ghost` },
          { type: OP.FILL, slot: b, a: 10n, data: "file" },
          { type: OP.REOPEN, slot: c, arg: b, flags: 0 },
          { type: OP.CLOSE, slot: b },
          { type: OP.PIPE, slot: reader, arg: writer },
          { type: OP.PIPE_SIZE, slot: writer, a: 8192n },
          { type: OP.WRITE, slot: writer, data: Buffer.from("unread") },
        ],
        final: () => [
          { type: OP.DUP, slot: a, arg: 5 },
          { type: OP.DUP, slot: a, arg: 3 },
          { type: OP.DUP, slot: c, arg: 4 },
          { type: OP.DUP, slot: reader, arg: 200 },
          parked(),
        ],
      }),
    );
    const pids = tasks.map(({ pid }) => pid);
    try {
      expect(lineOf(run)).to.match(/^running \d+$/);
      for (const pid of pids) {
        // gate and report are closed by the program; nothing of the executor's is left
        eventually("descriptors", () => readdirSync(`/proc/${pid}/fd`).length === 4);
        expect(readdirSync(`/proc/${pid}/fd`).map(Number)).to.have.members([3, 4, 5, 200]);
        expect(readlinkSync(`/proc/${pid}/fd/5`)).to.equal(`${dir}/file`);
        expect(readlinkSync(`/proc/${pid}/fd/4`)).to.equal(`${dir}/ghost (deleted)`);
        expect(readFileSync(`/proc/${pid}/fd/4`, "latin1")).to.equal("0123456789");
        expect(readFileSync(`/proc/${pid}/fdinfo/3`, "latin1")).to.match(/^pos:\t4\n/);
      }
      const [first = 0, second = 0] = pids;
      expect(native().kcmp(first, second, 0, 3, 5)).to.equal(0);
      // both ends of the write end are closed: end of file after what was unread
      expect(readFileSync(`/proc/${first}/fd/200`, "latin1")).to.equal("unread");
    } finally {
      kill(pids);
      finish(run);
    }
  });

  describe("leaves nothing behind", () => {
    let tasks: TreeTask[] = [];
    let pids: number[] = [];
    beforeEach(() => {
      tasks = simple(4);
      pids = tasks.map(({ pid }) => pid);
    });

    it("when a pid is in use", () => {
      const run = startPlan(planFor([...tasks, ...tasks.slice(0, 1).map((root) => ({ ...root, pid: process.pid, ppid: root.pid }))]));
      const lines = finish(run);
      expect(lines[0]).to.match(/^error 0 \d+ 17 \d+ clone3: the pid is in use$/);
      expect(lines.at(-1)).to.equal("cleared");
      expectGone(pids);
    });

    it("when an object cannot be made", () => {
      const lines = finish(startPlan(planFor(tasks, { slots: 1, create: [{ type: OP.OPEN, slot: 2, data: `${dir}/missing` }] })));
      expect(lines).to.deep.equal(["error 17 0 2 0 open", "cleared"]);
      expectGone(pids);
    });

    it("when a file was replaced meanwhile", () => {
      const lines = finish(startPlan(planFor(tasks, { slots: 1, create: [{ type: OP.OPEN, slot: 2, a: 1n, data: `${dir}/parked` }] })));
      expect(lines[0]).to.match(/^error 17 0 116 0 the file was replaced/);
    });

    it("when the last program cannot be executed", () => {
      const lines = finish(
        startPlan(planFor(tasks, { final: (task) => (task === tasks[2] ? [{ type: OP.PROGRAM, data: `${dir}/none` }] : undefined) })),
      );
      expect(lines[0]).to.match(new RegExp(`^error 3 ${pids[2]} 2 \\d+ execve$`));
      expectGone(pids);
    });

    it("when a task ends without a word", () => {
      const lines = finish(startPlan(planFor(tasks, { final: (task) => (task === tasks[3] ? [parked("silent")] : undefined) })));
      expect(lines[0]).to.match(new RegExp(`^error 18 ${pids[3]} 10 -1 `));
      expectGone(pids);
    });

    it("when an attribute cannot be set", () => {
      const finishing: Op[] = [{ type: OP.CGROUP, arg: pids[1] ?? 0, data: `${dir}/no/cgroup.procs` }];
      expect(finish(startPlan(planFor(tasks, { finish: finishing })))[0]).to.match(/^error 19 0 2 \d+ moving it to its cgroup$/);
      expectGone(pids);
    });

    /** One task never gets ready, so that there is time to do something. */
    const stuck: Extra = { final: (task) => (task === tasks[3] ? [{ type: OP.PROGRAM, data: "/bin/sleep\x001000" }] : undefined) };

    it("when it is interrupted", () => {
      const run = startPlan(planFor(tasks, stuck));
      eventually("all forked", () => native().pidsInUse(pids).length === pids.length);
      process.kill(run.pid, "SIGTERM");
      expect(finish(run)[0]).to.match(/^error 18 0 4 -1 /);
      expectGone(pids);
    });

    /** The last task never gets to its program: nobody ever opens the other end of the FIFO. */
    function neverLoaded(): Plan {
      const path = `${dir}/fifo-${tasks[3]?.pid}`;
      expect(spawnSync("mkfifo", [path]).status).to.equal(0);
      const fifo: Op = { type: OP.OPEN, slot: 2, flags: 0, data: path };
      return planFor(tasks, { slots: 1, final: (task) => (task === tasks[3] ? [fifo] : undefined) });
    }

    it("when it is killed before anything could put things right", () => {
      // one that comes to its end before it is killed would leave a tree that runs
      const run = startPlan(neverLoaded());
      process.kill(run.pid, "SIGKILL");
      finish(run);
      eventually("all gone", () => pids.every(isOver));
    });

    it("when it is killed while tasks wait at the gate and others are still to execute their images", () => {
      const run = startPlan(neverLoaded());
      eventually("loaded", () => pids.slice(0, 3).every((pid) => !isOver(pid) && statOf(pid).comm === "parked"));
      process.kill(run.pid, "SIGKILL");
      finish(run);
      eventually("all gone", () => pids.every(isOver));
    });

    it("when the plan is damaged", () => {
      const plan = planFor(tasks);
      const lines = finish(startPlan({ ...plan, create: [{ type: OP.CLOSE, slot: 5000 }] }));
      expect(lines).to.deep.equal(["error 16 0 71 -1 an operation of the plan is malformed", "cleared"]);
    });
  });

  it("does not take an id of the tree for itself", () => {
    // as many ids as the executor may get
    const next = Number(readFileSync("/proc/sys/kernel/ns_last_pid", "latin1"));
    const plan = planFor(simple(1));
    const run = startPlan({ ...plan, pids: [...plan.pids, ...Array.from({ length: 300 }, (_, i) => next + i)] });
    expect(finish(run)).to.deep.equal(["again"]);
  });

  it("forks 300 tasks quickly", () => {
    const tasks = simple(300);
    const start = performance.now();
    const run = startPlan(planFor(tasks));
    try {
      expect(lineOf(run)).to.match(/^running \d+$/);
      expect(performance.now() - start).to.be.lessThan(10000);
    } finally {
      kill(tasks.map(({ pid }) => pid));
      finish(run);
    }
  });
});
