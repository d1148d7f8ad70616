/** Faults on demand: which there are, and how they are asked for. */

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";

import { FAULT_POINTS, armFault, executorFault, executorFaultPlaced, fault, faultWanted, unreachedFault } from "../../src/fault.js";
import {
  FAULT,
  FAULT_ACTION,
  NO_PROC,
  OP,
  OPERATIONS,
  PROC_KIND,
  PlanHeader,
  STAGES,
  encodePlan,
  type Plan,
} from "../../src/restore/plan.js";

function findFile(name: string): string {
  for (let dir = import.meta.dirname; dir !== "/"; dir = path.dirname(dir)) {
    const file = path.join(dir, name);
    if (existsSync(file)) return readFileSync(file, "utf8");
  }
  throw new Error(`${name} is not above this test`);
}

const process = { pid: 77, kind: PROC_KIND.LIVE, parent: NO_PROC, exitSignal: 17, comm: "program" };

function header(text: string): ReturnType<typeof PlanHeader.read> & { placed: boolean } {
  armFault(text, OPERATIONS);
  const fork = { type: OP.FORK, arg: 0 };
  const plan: Plan = {
    detach: false,
    newPids: false,
    progress: false,
    barriers: new Set(),
    slotBase: 30,
    slotCount: 2,
    inherited: 0,
    root: 0,
    gateSlot: 0,
    reportSlot: 1,
    processes: [{ ...process, stages: Array.from({ length: STAGES }, (_, stage) => (stage === 0 ? [fork, fork] : [])) }],
    create: [{ type: OP.PIPE_SIZE, slot: 0 }],
    fork: [fork],
    settle: [],
    finish: [],
    pids: [77],
    fault: executorFault(),
  };
  const encoded = encodePlan(plan);
  const bytes = Buffer.concat(encoded.parts);
  return { ...PlanHeader.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0), placed: encoded.faultPlaced };
}

describe("faults on demand", () => {
  afterEach(() => {
    armFault(undefined);
  });

  it("are all described, and no others", () => {
    const rows = [...findFile("docs/faults.md").matchAll(/^\| `([a-z]+\.[a-z]+)` \| ([^|]+) \| (yes|no) \|$/gm)].map((match) =>
      match.slice(1),
    );
    expect(rows).to.deep.equal(Object.entries(FAULT_POINTS).map(([name, { at, late }]) => [name, at, late === true ? "no" : "yes"]));
  });

  it("of the module are described too", () => {
    const points = [...findFile("kmod/fault.h").matchAll(/^\tX\([A-Z_]+, "([a-z.]+)", (E[A-Z]+)\)/gm)].map((match) => [match[1], match[2]]);
    const rows = [...findFile("docs/faults.md").matchAll(/^\| `([a-z]+\.[a-z]+)` \| `(E[A-Z]+)` \|/gm)].map((match) => [
      match[1],
      match[2],
    ]);
    expect(points.length).to.be.greaterThan(20);
    expect(rows).to.deep.equal(points);
  });

  it("happen at their point, the time that was asked for, and once", () => {
    armFault("dump.core:2");
    expect(faultWanted("dump.core", "dump.seize")).to.equal(true);
    expect(faultWanted("dump.seize")).to.equal(false);
    fault("dump.head");
    fault("dump.core");
    expect(unreachedFault()).to.equal("dump.core:2");
    expect(() => {
      fault("dump.core");
    }).to.throw("a task's /proc/<pid>/dump has been opened");
    expect(unreachedFault()).to.equal(undefined);
    fault("dump.core");
  });

  it("do not happen unasked", () => {
    for (const text of [undefined, ""]) {
      armFault(text);
      fault("dump.core");
      expect(unreachedFault()).to.equal(undefined);
    }
  });

  it("that are misspelled are refused by name", () => {
    for (const [text, why] of [
      ["dump.cor", "no such point: dump.cor"],
      ["executor.op.fly", "no such point"],
      ["toString", "not POINT"],
      ["dump.core:0", "from 1"],
      ["dump.core=burn", "no such action: burn"],
      ["dump.complete", "nothing can fail any more"],
      ["dump.core=fail extra", "not POINT"],
    ] as const) {
      expect(() => {
        armFault(text, OPERATIONS);
      }, text)
        .to.throw(why)
        .with.property("code", "E_USAGE");
    }
  });

  it("of the executor are counted in the plan", () => {
    expect(header("executor.op.fork:2=die")).to.include({ fault: FAULT.OP, fault_index: 2, fault_action: FAULT_ACTION.DIE, placed: true });
    expect(header("executor.op.pipe-size")).to.include({ fault: FAULT.OP, fault_index: 0, fault_action: FAULT_ACTION.FAIL, placed: true });
    expect(header("executor.op.fork:4")).to.include({ fault: FAULT.NONE, placed: false });
    expect(header("executor.born=kill")).to.include({ fault: FAULT.BORN, fault_index: 0, fault_action: FAULT_ACTION.KILL, placed: true });
    expect(header("executor.born:2")).to.include({ fault: FAULT.NONE, placed: false });
    expect(header("executor.gate=stop")).to.include({ fault: FAULT.GATE, fault_index: 0, fault_action: FAULT_ACTION.STOP, placed: true });
    expect(unreachedFault()).to.equal("executor.gate:1");
    executorFaultPlaced();
    expect(unreachedFault()).to.equal(undefined);
    expect(header("dump.core")).to.include({ fault: FAULT.NONE, placed: false });
  });
});
