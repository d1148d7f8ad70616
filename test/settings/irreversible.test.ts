/**
 * Settings of a kernel that hold until its next boot. They come last in a machine, in this order, and the last
 * group in a machine of its own: after the one before it the module cannot be loaded.
 */

import { expect } from "chai";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { crctl, must, mustFail, run } from "../integration/lib/crctl.js";
import { REPO } from "../integration/lib/paths.js";
import { pidsOfTree } from "../integration/lib/procfs.js";
import { Program } from "../integration/lib/program.js";
import { until } from "../integration/lib/wait.js";

const MODULE = `${REPO}/build/kmod/${release()}/crctl.ko`;
const LOCKDOWN = "/sys/kernel/security/lockdown";

async function check(): Promise<{ status: number | null; stdout: string }> {
  const { status, stdout } = await crctl(["check"]);
  return { status, stdout };
}

async function lives(): Promise<void> {
  const program = await Program.start("heap");
  await program.cycle();
  await program.verify();
  await program.finish();
}

/** It goes, and does not come back: both the kernel and crctl say why. */
async function cannotBeLoaded(kernelSays: RegExp, crctlSays: RegExp): Promise<void> {
  await until("nobody to be in the module", () => {
    try {
      writeFileSync("/sys/module/crctl/parameters/armed", "0");
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
      throw error;
    }
  });
  expect((await run("rmmod", ["crctl"])).status).to.equal(0);
  const { status, stderr } = await run("insmod", [MODULE]);
  expect(status).to.not.equal(0);
  expect(stderr).to.match(kernelSays);
  const program = await Program.start("heap");
  const error = await mustFail("E_NO_MODULE", 8, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
  await program.verify();
  await program.finish();
  expect(error.message).to.match(crctlSays);
  expect(error.hint).to.include("Signed modules");
  const found = await check();
  expect(found.status).to.equal(8);
  expect(found.stdout).to.match(crctlSays);
}

describe("vm.memfd_noexec", () => {
  const SETTING = "/proc/sys/vm/memfd_noexec";
  const [major = 0, minor = 0] = release().split(".").map(Number);

  // it came with 6.3
  if (major > 6 || (major === 6 && minor >= 3)) {
    for (const value of ["1", "2"]) {
      it(`${value}: trees are dumped and restored`, async () => {
        writeFileSync(SETTING, value);
        await lives();
        const { status, stdout } = await check();
        expect(status).to.equal(0);
        expect(stdout).to.match(/^limited +memfd .*vm\.memfd_noexec/m);
      });
    }
  } else {
    it("is not there", async () => {
      expect(existsSync(SETTING)).to.equal(false);
      expect((await check()).stdout).to.match(/^yes +memfd /m);
    });
  }
});

describe("lockdown and Yama", () => {
  before(async () => {
    if (!existsSync(LOCKDOWN)) await run("mount", ["-t", "securityfs", "securityfs", "/sys/kernel/security"]);
    expect(readFileSync(LOCKDOWN, "utf8")).to.include("[none]");
  });

  for (const level of ["integrity", "confidentiality"]) {
    it(`lockdown ${level}: the module that is loaded goes on, and so do dumps and restores`, async () => {
      writeFileSync(LOCKDOWN, level);
      await lives();
      const { status, stdout } = await check();
      expect(status).to.equal(0);
      expect(stdout).to.match(new RegExp(`^limited +lockdown .*${level}`, "m"));
    });
  }

  it("kernel.yama.ptrace_scope 3: nobody dumps, and what there is is restored", async () => {
    const program = await Program.start("heap");
    const image = program.newImage();
    const pids = pidsOfTree(program.pid);
    await program.dump(image);
    await program.gone(pids);
    writeFileSync("/proc/sys/kernel/yama/ptrace_scope", "3");
    await program.restore(image);
    const error = await mustFail("E_PERMISSION", 7, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
    expect(error.hint).to.include("kernel.yama.ptrace_scope is 3");
    expect((await check()).stdout).to.match(/^no +dump-any .*kernel\.yama\.ptrace_scope/m);
    // /proc tells root as little of it, so it has to verify itself
    await program.verify();
    await must(["show", image]);
    await program.finish();
  });

  it("lockdown: a module without a signature is not loaded again", async () => {
    await cannotBeLoaded(/Operation not permitted/, /locked down \(confidentiality\)/);
  });
});

describe("module.sig_enforce", () => {
  it("a module without a signature is not loaded", async () => {
    writeFileSync("/sys/module/module/parameters/sig_enforce", "Y");
    // loaded already, it goes on
    await lives();
    await cannotBeLoaded(/Key was rejected by service|Required key not available/, /signed modules only/);
  });
});
