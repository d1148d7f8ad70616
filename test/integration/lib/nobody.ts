/** A user without any privilege, and how he reaches what is tested. */

import { expect } from "chai";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { run } from "./crctl.js";
import { newDirectory } from "./directories.js";
import { CRCTL, PROGRAMS, REPO } from "./paths.js";

export const NOBODY = 65534;

export class Nobody {
  readonly uid = NOBODY;
  /** crctl, wherever this tree lies: under a second path that is open to all */
  readonly program: string;
  readonly programs: string;
  /** nothing of root's: no HOME, no variables of Node */
  readonly env = { PATH: "/usr/bin:/bin" };

  private constructor(private readonly open: string) {
    this.program = path.join(open, path.relative(REPO, CRCTL));
    this.programs = path.join(open, path.relative(REPO, PROGRAMS));
  }

  static async enter(): Promise<Nobody> {
    const open = path.join(newDirectory(), "crctl");
    mkdirSync(open);
    const { status, stderr } = await run("mount", ["--bind", REPO, open]);
    expect(status, stderr).to.equal(0);
    return new Nobody(open);
  }

  async leave(): Promise<void> {
    await run("umount", ["-l", this.open]);
  }
}
