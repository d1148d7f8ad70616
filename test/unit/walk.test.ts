import { expect } from "chai";
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { Walk } from "../../src/proc/walk.js";

/** No file system has it. */
const NONE = 0xfffffn << 20n;

describe("walk", () => {
  let top: string;
  const at = (name: string): string => path.join(top, name);
  const inoOf = (name: string): bigint => statSync(at(name), { bigint: true }).ino;

  beforeEach(() => {
    top = mkdtempSync(path.join(tmpdir(), "crctl-walk-"));
    mkdirSync(at("one/two/three"), { recursive: true });
    mkdirSync(at("other"));
    writeFileSync(at("one/two/three/file"), "");
  });

  afterEach(() => {
    rmSync(top, { recursive: true });
  });

  it("finds files and directories below where it starts, and what it starts at", () => {
    const walk = new Walk(NONE);
    walk.startAt([top]);
    for (const name of ["one/two/three/file", "other", "one/two", "."])
      expect([...walk.find(inoOf(name))]).to.include(path.resolve(at(name)));
  });

  it("goes on elsewhere when it has come to its end", () => {
    const walk = new Walk(NONE);
    walk.startAt([at("other")]);
    expect([...walk.find(inoOf("one/two"))]).to.deep.equal([]);
    walk.startAt([at("one"), "/nowhere"]);
    expect([...walk.find(inoOf("one/two"))]).to.deep.equal([at("one/two")]);
  });

  it("tells more than one name of a number", () => {
    const walk = new Walk(NONE);
    walk.startAt([at("one/two/three")]);
    const ino = inoOf("one/two/three/file");
    expect([...walk.find(ino)]).to.deep.equal([at("one/two/three/file")]);
    renameSync(at("one/two/three/file"), at("other/file"));
    walk.startAt([at("other")]);
    expect([...walk.find(ino)]).to.deep.equal([at("one/two/three/file"), at("other/file")]);
  });
});
