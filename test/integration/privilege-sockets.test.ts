/** Sockets of users without privilege: what anybody can make again comes back, of the rest it is said before anything is started. */

import { expect } from "chai";
import { describeOutcome, must, mustFail, run, type Outcome } from "./lib/crctl.js";
import { Nobody } from "./lib/nobody.js";
import { Program } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";

let nobody: Nobody;

before(async () => {
  nobody = await Nobody.enter();
});

after(async () => {
  await nobody.leave();
});

function start(name: string): Promise<Program> {
  return Program.start(name, [], { uid: nobody.uid, programs: nobody.programs, env: nobody.env });
}

function pidIn({ stdout }: Outcome): number {
  return (JSON.parse(stdout) as { pid: number }).pid;
}

async function dumpAsNobody(program: Program): Promise<string> {
  const image = program.newImage();
  await must(["dump", "-t", String(program.pid), "-D", image], nobody);
  await program.gone([program.pid]);
  return image;
}

const restoring = (image: string): string[] => ["restore", "--new-pids", "-D", image];

/** The user, with these capabilities and no others. */
function withCapabilities(names: string, args: readonly string[]): Promise<Outcome> {
  const caps = ["--inh-caps", `-all,${names}`, "--ambient-caps", `-all,${names}`];
  const user = ["--reuid", String(nobody.uid), "--regid", String(nobody.uid), "--clear-groups"];
  return run("setpriv", [...user, ...caps, process.execPath, nobody.program, ...args], { env: nobody.env });
}

describe("a user's own sockets", () => {
  for (const name of ["tcp_listen", "inet_anybody"]) {
    it(`that anybody can make are dumped and restored by that user: ${name}`, async () => {
      await withJournal(await start(name), async (program) => {
        for (let round = 0; round < 2; round++) {
          const image = await dumpAsNobody(program);
          program.became(pidIn(await must([...restoring(image), "-d", "--json"], nobody)));
          await program.verify();
        }
        await program.finish();
      });
    });
  }

  for (const { name, object, capability } of [
    { name: "tcp_connected", object: "TCP connection", capability: "CAP_NET_ADMIN" },
    { name: "udp", object: "UDP socket", capability: "CAP_NET_RAW" },
  ]) {
    it(`that take ${capability} are dumped, and refused by name at restore without it: ${name}`, async () => {
      await withJournal(await start(name), async (program) => {
        // a dump that fails or leaves it running takes none of it
        await must(["dump", "-R", "-t", String(program.pid), "-D", program.newImage()], nobody);
        await program.verify();
        const image = await dumpAsNobody(program);
        for (const args of [
          [...restoring(image), "--check"],
          [...restoring(image), "-d"],
        ]) {
          const error = await mustFail("E_PERMISSION", 7, args, nobody);
          expect(error.problems).to.have.lengthOf(1);
          const [problem] = error.problems ?? [];
          expect(problem).to.include({ code: "E_PERMISSION", object, pid: program.pid, comm: name });
          expect(problem?.why).to.include(capability);
          expect(problem?.hint).to.include("root").and.to.include(capability);
        }
        const outcome = await withCapabilities(`+${capability.slice("CAP_".length).toLowerCase()}`, [...restoring(image), "-d", "--json"]);
        expect(outcome.status, describeOutcome(outcome)).to.equal(0);
        program.became(pidIn(outcome));
        await program.verify();
        await program.finish();
      });
    });
  }
});
