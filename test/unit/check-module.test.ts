/** Why the module is not there: what each setting of the kernel makes of it. */

import { expect } from "chai";

import { lockdownOf, moduleProblem, type ModuleState } from "../../src/check/module.js";

const WORKS: ModuleState = { entries: true, loaded: true, armed: true, ftrace: true, kprobes: true, lockdown: "none", signedOnly: false };

function problem(change: Partial<ModuleState>): string {
  const found = moduleProblem({ ...WORKS, ...change });
  return found === undefined ? "" : `${found.why}; ${found.hint}`;
}

describe("check: the module", () => {
  it("is no problem where its entries are in /proc, whatever else is set", () => {
    expect(problem({})).to.equal("");
    expect(problem({ lockdown: "confidentiality", signedOnly: true })).to.equal("");
  });

  it("not loaded: the kernel's wish for signatures is named", () => {
    const gone = { entries: false, loaded: false };
    expect(problem(gone)).to.match(/not loaded; modprobe/);
    expect(problem({ ...gone, lockdown: "integrity" })).to.match(/locked down \(integrity\).*sign it/);
    expect(problem({ ...gone, signedOnly: true })).to.match(/sig_enforce.*sign it/);
  });

  it("loaded without effect: the switch is named", () => {
    expect(problem({ entries: false, armed: false })).to.include("disarmed");
    expect(problem({ entries: false, ftrace: false })).to.include("sysctl kernel.ftrace_enabled=1");
    expect(problem({ entries: false, kprobes: false })).to.include("kprobes/enabled");
    expect(problem({ entries: false })).to.include("its entries are not in /proc");
  });

  it("reads what the kernel says of its lockdown", () => {
    expect(lockdownOf("[none] integrity confidentiality\n")).to.equal("none");
    expect(lockdownOf("none [integrity] confidentiality\n")).to.equal("integrity");
    expect(lockdownOf("")).to.equal("none");
  });
});
