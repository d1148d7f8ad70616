/** What a person sees of a command that takes its time: a bar, on a terminal only. */

import { expect } from "chai";
import path from "node:path";

import { describeOutcome, run, type Outcome } from "./lib/crctl.js";
import { CRCTL } from "./lib/paths.js";
import { pidsOfTree, stateOf } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { until } from "./lib/wait.js";

/** src/ui/progress.ts: before that there is no bar. */
const SHOWN_AFTER_MS = 1000;

/** The command on a terminal of its own, where it is kept waiting at that point until it is slow. */
async function slowly(point: string, args: readonly string[]): Promise<Outcome> {
  let terminal = 0;
  // not the command itself: script(1) stops with its child
  const command = `${[process.execPath, CRCTL, ...args].join(" ")}; exit $?`;
  const outcome = run("script", ["-qec", command, "/dev/null"], {
    env: { ...process.env, CRCTL_FAULT: `${point}=stop` },
    started: (pid) => (terminal = pid),
  });
  const stopped = await until(`crctl to come to ${point}`, () => pidsOfTree(terminal).find((pid) => stateOf(pid) === "T"));
  const since = performance.now();
  await until("it to be slow", () => performance.now() - since > SHOWN_AFTER_MS);
  process.kill(stopped, "SIGCONT");
  return outcome;
}

/** "100% 1.2 MiB of 1.2 MiB, 300 KiB/s" */
const BAR = /(dump|restore) \S+ \d+% \d.* of \d.*\/s/;

describe("progress", () => {
  it("is shown of a slow dump and of a slow restore", async () => {
    const program = await Program.start("heap");
    const pids = pidsOfTree(program.pid);
    const image = path.join(program.directory, "image");

    const dumped = await slowly("dump.head", ["dump", "-t", String(program.pid), "-D", image]);
    expect(dumped.status, describeOutcome(dumped)).to.equal(0);
    expect(dumped.stdout, JSON.stringify(dumped.stdout)).to.match(BAR);
    await program.gone(pids);

    const restored = await slowly("restore.started", ["restore", "-D", image, "-d"]);
    expect(restored.status, describeOutcome(restored)).to.equal(0);
    expect(restored.stdout, JSON.stringify(restored.stdout)).to.match(BAR);
    await program.verify();
    await program.finish();
  });
});
