/** Credentials and other settings of a task; the rows of exec's commit list are here and in time.test.ts. */

import { expect } from "chai";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Program } from "./lib/program.js";
import { describeRows, withJournal } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

const SETTINGS = [
  "no_new_privs",
  "dumpable",
  "pdeathsig",
  "child_subreaper",
  "timer_slack",
  "thp_disable",
  "umask",
  "nice",
  "oom_score_adj",
  "coredump_filter",
  "personality",
  "ioprio",
  "affinity",
  "fifo",
  "batch",
  "rlimits",
  "tsc",
  "mce_kill",
  "io_flusher",
  "store_bypass",
  "indirect_branch",
];

describeRows("settings", [
  { program: "creds", args: ["mixed"] },
  { program: "creds", args: ["nobody"] },
  { program: "creds", args: ["ambient"] },
  { program: "creds", args: ["weak-root"] },
  { program: "creds", args: ["bounded"] },
  // Half of them and the other half: a setting of the first half must not appear in the second.
  { program: "task_settings", args: SETTINGS.filter((_, i) => i % 2 === 0) },
  { program: "task_settings", args: SETTINGS.filter((_, i) => i % 2 === 1) },
  { program: "limits_low" },
  { program: "pdeathsig" },
  { program: "cwd_root" },
  { program: "cwd_root", args: ["chroot"] },
  { program: "seccomp" },
  { program: "seccomp_strict" },
]);

describe("cgroups", () => {
  const name = `crctl-test-${process.pid}`;
  const directory = path.join("/sys/fs/cgroup", name);

  function cgroupOf(pid: number | "self"): string {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8").trim();
  }

  async function removeCgroup(): Promise<void> {
    // it is in use until the last dead task is reaped
    await until(`${directory} to be removed`, () => {
      try {
        rmdirSync(directory);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
        throw error;
      }
    });
  }

  it("a task returns to its own, or joins crctl's if that is gone, and is told of", async () => {
    mkdirSync(directory);
    await withJournal(await Program.start("heap"), async (program) => {
      writeFileSync(path.join(directory, "cgroup.procs"), String(program.pid));
      expect(cgroupOf(program.pid)).to.equal(`0::/${name}`);
      await program.cycle();
      expect(cgroupOf(program.pid)).to.equal(`0::/${name}`);

      const image = program.newImage();
      await program.dump(image);
      await program.gone([program.pid]);
      await removeCgroup();
      const { stderr } = await program.restore(image);
      expect(stderr).to.include(name);
      expect(cgroupOf(program.pid)).to.equal(cgroupOf("self"));
      await program.verify();
      await program.finish();
    });
  });
});
