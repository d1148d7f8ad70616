/** The encoder of plans. */

import { expect } from "chai";

import {
  NO_PROC,
  OP,
  PROC_KIND,
  PlanHeader,
  PlanOp,
  PlanProc,
  STAGE,
  STAGES,
  encodePlan,
  type Op,
  type Plan,
} from "../../src/restore/plan.js";

function emptyPlan(more: Partial<Plan>): Plan {
  return {
    detach: false,
    progress: false,
    newPids: false,
    barriers: new Set(),
    slotBase: 30,
    slotCount: 2,
    inherited: 0,
    root: 0,
    gateSlot: 0,
    reportSlot: 1,
    processes: [],
    create: [],
    fork: [],
    settle: [],
    finish: [],
    pids: [],
    ...more,
  };
}

function stagesWith(stage: number, ops: Op[]): Op[][] {
  return Array.from({ length: STAGES }, (_, i) => (i === stage ? ops : []));
}

function bytesOf(plan: Plan): { view: DataView; bytes: Buffer } {
  const bytes = Buffer.concat(encodePlan(plan).parts);
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

describe("restore: encoding plans", () => {
  it("writes header, processes, operations and ids where the header says", () => {
    const exec: Op = { type: OP.EXEC, data: [Buffer.from("mani"), Buffer.from("fest")] };
    const plan = emptyPlan({
      detach: true,
      barriers: new Set([STAGE.FORK, STAGE.GROUP]),
      create: [{ type: OP.OPEN, slot: 1, flags: 0o100002, a: 7n, b: 8n, data: "/some/file" }],
      fork: [{ type: OP.FORK, arg: 0 }],
      processes: [
        { pid: 77, kind: PROC_KIND.LIVE, parent: NO_PROC, exitSignal: 17, comm: "program", stages: stagesWith(STAGE.FINAL, [exec]) },
      ],
      pids: [90, 77, 80, 77],
    });
    const { view, bytes } = bytesOf(plan);
    const header = PlanHeader.read(view, 0);
    expect(header.size).to.equal(BigInt(bytes.length));
    expect(header).to.include({ flags: 1, barriers: 3, slot_base: 30, nr_procs: 1, nr_ops: 3, nr_pids: 3, nr_live: 1 });
    expect([0, 1, 2].map((i) => view.getInt32(header.pids_off + i * 4, true))).to.deep.equal([77, 80, 90]);

    const open = PlanOp.read(view, header.ops_off + (header.create[0] ?? 0) * PlanOp.size);
    expect(open).to.include({ type: OP.OPEN, slot: 1, flags: 0o100002, a: 7n, b: 8n });
    expect(bytes.toString("latin1", open.data_off, open.data_off + open.data_len + 1)).to.equal("/some/file\0");

    const process = PlanProc.read(view, header.procs_off);
    expect(process).to.include({ pid: 77, parent: NO_PROC, comm: "program" });
    const [first = 0, count] = process.stage.slice(STAGE.FINAL * 2);
    expect(count).to.equal(1);
    const last = PlanOp.read(view, header.ops_off + first * PlanOp.size);
    expect(bytes.toString("latin1", last.data_off, last.data_off + last.data_len)).to.equal("manifest");
  });

  it("stores equal strings and the same bytes once", () => {
    const data = new Uint8Array([1, 2, 3]);
    const { view } = bytesOf(
      emptyPlan({
        finish: [
          { type: OP.RLIMITS, arg: 1, data },
          { type: OP.RLIMITS, arg: 2, data },
          { type: OP.CGROUP, arg: 1, data: "/a" },
          { type: OP.CGROUP, arg: 2, data: "/a" },
        ],
      }),
    );
    const header = PlanHeader.read(view, 0);
    const offsets = [0, 1, 2, 3].map((i) => PlanOp.read(view, header.ops_off + i * PlanOp.size).data_off);
    expect(offsets[0]).to.equal(offsets[1]);
    expect(offsets[2]).to.equal(offsets[3]);
    expect(offsets[0]).to.not.equal(offsets[2]);
  });

  it("remembers what each operation was for", () => {
    const subject = { pid: 5, fd: 3, path: "/x" };
    const { subjects } = encodePlan(emptyPlan({ create: [{ type: OP.CLOSE }, { type: OP.SEEK, slot: 0, a: 1n, subject }] }));
    expect(subjects).to.deep.equal([undefined, subject]);
  });
});
