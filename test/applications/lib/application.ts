/** Applications, with clients of theirs in the same tree: these work with them all the time, and tell whether all is well. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { newDirectory } from "../../integration/lib/directories.js";
import { remember } from "../../integration/lib/leftovers.js";
import { REPO } from "../../integration/lib/paths.js";
import { pidsOfTree, stateOf } from "../../integration/lib/procfs.js";
import { Tree } from "../../integration/lib/program.js";
import { withJournal } from "../../integration/lib/scenario.js";
import { until } from "../../integration/lib/wait.js";

export const CLIENTS = path.join(REPO, "test/applications/clients");

/** Setting a server up, and what it may do before it is heard of again, takes long under emulation. */
const PATIENCE_MS = 300_000;
/** Rounds of work between two dumps. */
const ROUNDS = 3;
const CYCLES = 3;

/** Whatever works in rounds, of which each is a line in the file "result", until there is a file "go". */
export class Application extends Tree {
  static async start(interpreter: string, client: string): Promise<Application> {
    const directory = newDirectory();
    const args = [path.join(CLIENTS, client), path.join(directory, "result"), path.join(directory, "go")];
    return new Application(await Tree.spawn(interpreter, args, directory, {}), directory);
  }

  /** One that is there already, and works in this directory. */
  static of(pid: number, directory: string): Application {
    return new Application(pid, directory);
  }

  rounds(): string[] {
    return existsSync(this.path("result")) ? readFileSync(this.path("result"), "utf8").trimEnd().split("\n") : [];
  }

  async works(): Promise<void> {
    const before = this.rounds().length;
    await until(
      () => `${ROUNDS} rounds of work; its output:\n${this.log()}`,
      () => {
        if ([undefined, "Z"].includes(stateOf(this.pid))) throw new Error(`it has ended; its output:\n${this.log()}`);
        return this.rounds().length >= before + ROUNDS;
      },
      PATIENCE_MS,
    );
  }

  /** In the middle of its work: it is on disk for a while, and works on. */
  async awayAndBack(): Promise<void> {
    const image = this.newImage();
    const pids = pidsOfTree(this.pid);
    await this.dump(image);
    await this.gone(pids);
    await this.restore(image);
    for (const pid of pidsOfTree(this.pid)) remember(pid);
    await this.works();
  }

  /** Its clients check what they have not checked yet, and it is shut down. */
  async finish(): Promise<void> {
    writeFileSync(this.path("go"), "");
    await until(
      () => `it to end; its output:\n${this.log()}`,
      () => [undefined, "Z"].includes(stateOf(this.pid)),
      PATIENCE_MS,
    );
    const lines = this.rounds();
    expect(lines.pop(), this.log()).to.equal("good");
    lines.forEach((line, i) => expect(line).to.equal(String(i + 1)));
  }
}

/**
 * Dumped and restored several times while it works. `outside` is done by somebody who is not in the tree, after each
 * time that it came back.
 */
export async function liveThrough(application: Application, outside: () => Promise<void>): Promise<void> {
  await withJournal(application, async () => {
    await application.works();
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await application.awayAndBack();
      await outside();
    }
    await application.finish();
  });
}
