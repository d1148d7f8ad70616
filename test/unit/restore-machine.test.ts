/** What a machine must have for an image to be restored on it. */

import { expect } from "chai";

import type { Problem } from "../../src/errors.js";
import { native } from "../../src/native.js";
import { checkCpu } from "../../src/restore/machine.js";

describe("restore: the machine", () => {
  it("has every register state that the tree uses", () => {
    const problems: Problem[] = [];
    checkCpu(native().xfeatures(), problems);
    expect(problems).to.deep.equal([]);
  });

  it("is refused by name if it lacks one", () => {
    const problems: Problem[] = [];
    // 61 is no state of any processor
    checkCpu(native().xfeatures() | (1n << 18n) | (1n << 61n), problems);
    expect(problems).to.have.lengthOf(1);
    expect(problems[0]).to.include({ code: "E_CPU" });
    expect(problems[0]?.why).to.match(/AMX tiles|state 61/);
  });
});
