/** src/restore/plan.ts and addon/executor/plan.h describe the same bytes: the header is compiled and asked. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";

import * as plan from "../../src/restore/plan.js";
import type { Fields, Struct } from "../../src/image/struct.js";

function findHeader(): string {
  for (let dir = import.meta.dirname; dir !== "/"; dir = path.dirname(dir)) {
    const header = path.join(dir, "addon/executor/plan.h");
    if (existsSync(header)) return header;
  }
  throw new Error("addon/executor/plan.h is not above this test");
}

function structChecks<F extends Fields>(name: string, struct: Struct<F>): string[] {
  return [
    `_Static_assert(sizeof(struct ${name}) == ${struct.size}, "sizeof ${name}");`,
    ...struct.layout.map((field) => `_Static_assert(offsetof(struct ${name}, ${field.name}) == ${field.offset}, "${name}.${field.name}");`),
  ];
}

function constantChecks(prefix: string, values: Readonly<Record<string, number>>): string[] {
  return Object.entries(values).map(([name, value]) => `_Static_assert(${prefix}${name} == ${value}, "${prefix}${name}");`);
}

describe("restore: the plan's layout", () => {
  it("is that of the executor's header", function () {
    this.timeout(20000);
    const source = [
      `#include <stddef.h>`,
      `#include "${findHeader()}"`,
      ...structChecks("plan_header", plan.PlanHeader),
      ...structChecks("plan_proc", plan.PlanProc),
      ...structChecks("plan_op", plan.PlanOp),
      ...structChecks("plan_tcp", plan.PlanTcp),
      ...structChecks("plan_sysv", plan.PlanSysv),
      ...structChecks("plan_huge", plan.PlanHuge),
      ...constantChecks("PLAN_FILL_", plan.FILL),
      ...structChecks("plan_mqueue", plan.PlanMqueue),
      ...structChecks("plan_posted", plan.PlanPosted),
      ...constantChecks("PLAN_MQUEUE_", plan.MQUEUE),
      ...constantChecks("PLAN_OP_", plan.OP),
      ...constantChecks("PLAN_TCP_", plan.TCP_OPTION),
      ...constantChecks("PLAN_AT_", plan.AT),
      ...constantChecks("PLAN_PTY_", plan.PTY),
      ...constantChecks("PLAN_LOCK_", plan.LOCK),
      ...constantChecks("PLAN_SYSV_", plan.SYSV),
      ...constantChecks("PLAN_FD_", plan.PLAN_FD),
      ...constantChecks("PLAN_STAGE_", plan.STAGE),
      ...constantChecks("PLAN_F_", plan.PLAN_FLAG),
      ...constantChecks("PLAN_PROC_", plan.PROC_KIND),
      ...constantChecks("PLAN_FAULT_", plan.FAULT),
      ...constantChecks("PLAN_FAULT_ACTION_", plan.FAULT_ACTION),
      ...constantChecks("PLAN_", {
        STAGES: plan.STAGES,
        VERSION: plan.PLAN_VERSION,
        OWN_SLOTS: plan.OWN_SLOTS,
        LOW_FREE: plan.LOW_FREE,
        NO_PROC: plan.NO_PROC,
      }),
      `_Static_assert(PLAN_MAGIC == 0x${plan.PLAN_MAGIC.toString(16)}ull, "magic");`,
    ].join("\n");
    const dir = mkdtempSync(path.join(tmpdir(), "crctl-layout-"));
    try {
      writeFileSync(path.join(dir, "check.c"), `${source}\n`);
      const { status, stderr } = spawnSync("cc", ["-std=gnu11", "-fsyntax-only", path.join(dir, "check.c")], { encoding: "utf8" });
      expect(stderr).to.equal("");
      expect(status).to.equal(0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
