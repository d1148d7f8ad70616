/** Features: ids are promised, and documented. */

import { expect } from "chai";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { feature, featureIds } from "../../src/check/features.js";
import { answerOf, limited } from "../../src/check/types.js";
import { CrctlError } from "../../src/errors.js";

function page(): string {
  for (let dir = import.meta.dirname; dir !== "/"; dir = path.dirname(dir)) {
    const file = path.join(dir, "docs/check.md");
    if (existsSync(file)) return readFileSync(file, "utf8");
  }
  throw new Error("docs/check.md is not above this test");
}

describe("check: features", () => {
  it("each id is one word, used once, and on the page", () => {
    const ids = featureIds();
    expect(new Set(ids).size).to.equal(ids.length);
    const rows = page()
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, id]) => id));
    expect([...rows].sort()).to.deep.equal([...ids].sort());
    for (const id of ids) expect(id).to.match(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  it("one that is not known is not answered", () => {
    expect(feature("nonsense")).to.equal(undefined);
  });

  it("a probe that fails says no, unless crctl itself is not whole", () => {
    const probe = { id: "x", about: "y" };
    const broken = answerOf({
      ...probe,
      ask: () => {
        throw new Error("EIO: i/o error");
      },
    });
    expect(broken).to.deep.equal({ ...probe, needed: false, status: "no", why: "it cannot be tried: EIO: i/o error" });
    expect(() =>
      answerOf({
        ...probe,
        ask: () => {
          throw new CrctlError("E_ADDON", "there is none");
        },
      }),
    ).to.throw("there is none");
    expect(answerOf({ ...probe, needed: true, ask: () => limited("why") })).to.deep.equal({
      ...probe,
      needed: true,
      status: "limited",
      why: "why",
    });
  });
});
