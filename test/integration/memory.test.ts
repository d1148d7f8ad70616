/** Memory: each kind of mapping, its content and its properties. */

import { expect } from "chai";
import path from "node:path";
import { HAS_PROTECTION_KEYS } from "./lib/cpu.js";
import { describeOutcome, run } from "./lib/crctl.js";
import { CRCTL, PROGRAMS } from "./lib/paths.js";
import { pidsOfTree } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { describeRows, withJournal } from "./lib/scenario.js";

describeRows("memory", [
  { program: "heap" },
  { program: "stack" },
  { program: "prot_none" },
  { program: "readonly" },
  { program: "private_file" },
  { program: "shared_file" },
  { program: "shared_anon" },
  { program: "shared_live" },
  { program: "memfd" },
  { program: "sysv_shm" },
  { program: "sysv_twin" },
  { program: "dev_zero" },
  { program: "cow_fork" },
  { program: "cow_shared" },
  { program: "cow_shared", args: ["siblings"] },
  { program: "droppable", args: ["emptied"] },
  { program: "advice" },
  { program: "mempolicy" },
  { program: "mempolicy", args: ["none"] },
  ...(HAS_PROTECTION_KEYS ? [{ program: "pkeys" }] : []),
  { program: "mlockall" },
  { program: "mlockall", args: ["onfault"] },
  { program: "sparse" },
  { program: "many_vmas" },
  { program: "identity" },
  { program: "large", args: ["64"] },
  // every second page of 544 MiB: 69,632 runs, more than the 65,535 that e_phnum can count
  { program: "large", args: ["544", "alternate"], title: "more program headers than e_phnum can count", alone: true, timeoutMs: 600_000 },
]);

describe("memory policies", () => {
  it("that of who restores is not the program's; nodes that are not here are told of", async () => {
    await withJournal(await Program.start("mempolicy", ["none"]), async (program) => {
      const image = program.newImage();
      const pids = pidsOfTree(program.pid);
      await program.dump(image);
      await program.gone(pids);
      const restore = [process.execPath, CRCTL, "restore", "-D", image, "-d"];
      const outcome = await run(path.join(PROGRAMS, "under_policy"), restore);
      expect(outcome.status, describeOutcome(outcome)).to.equal(0);
      expect(outcome.stderr).to.match(/NUMA node 40, .* is not here/);
      await program.verify();
      await program.finish();
    });
  });
});
