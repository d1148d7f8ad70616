/** Files that changed between dump and restore: what is an error, what a note, what nothing. */

import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";

import type { ErrorCode } from "../../src/errors.js";
import type { FileIdentity } from "../../src/image/schema.js";
import type { FileRules } from "../../src/restore/context.js";
import { FileChecks } from "../../src/restore/identity.js";

interface Verdict {
  found: boolean;
  code?: ErrorCode;
  notes: string[];
}

let dir = "";

function identityOf(file: string): FileIdentity {
  const { dev, ino, mode, uid, gid, size, mtimeNs } = statSync(file, { bigint: true });
  return { path: file, dev, ino, mode: Number(mode), uid: Number(uid), gid: Number(gid), size, mtimeNs, deleted: false };
}

function examine(identity: FileIdentity, rules: FileRules = {}, force = false): Verdict {
  const verdict: Verdict = { found: false, notes: [] };
  const checks = new FileChecks(
    {
      refuse: ({ code }) => {
        verdict.code = code;
      },
      note: (text) => verdict.notes.push(text),
    },
    force,
  );
  checks.prepare([identity]);
  verdict.found = checks.examine(identity, {}, rules) !== undefined;
  return verdict;
}

describe("restore: files that changed", () => {
  let file = "";
  let identity: FileIdentity;

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), "crctl-files-"));
    file = path.join(dir, "file");
    writeFileSync(file, "0123456789");
    utimesSync(file, 1000, 1000);
    identity = identityOf(file);
  });

  afterEach(() => {
    rmSync(dir, { recursive: true });
  });

  it("the same file", () => {
    expect(examine(identity, { neededSize: 10n, unmodified: true })).to.deep.equal({ found: true, notes: [] });
  });

  it("a missing one, also where a directory of its path is a file now", () => {
    rmSync(file);
    expect(examine(identity)).to.include({ found: false, code: "E_FILE_MISSING" });
    const below = { ...identity, path: `${dir}/sub/file` };
    writeFileSync(`${dir}/sub`, "");
    expect(examine(below, {}, true)).to.include({ found: false, code: "E_FILE_MISSING" });
  });

  it("another inode under its name", () => {
    writeFileSync(`${file}.new`, "0123456789");
    renameSync(`${file}.new`, file);
    expect(examine(identity)).to.include({ found: false, code: "E_FILE_CHANGED" });
    const forced = examine(identity, {}, true);
    expect(forced.found).to.equal(true);
    expect(forced.notes[0]).to.match(/replaced.*--force/);
  });

  it("another type is refused, whatever is forced", () => {
    rmSync(file);
    mkdirSync(file);
    expect(examine(identity, {}, true)).to.include({ found: false, code: "E_FILE_CHANGED" });
  });

  it("the same inode on a file system with another device number", () => {
    const moved = { ...identity, dev: identity.dev + 1n };
    expect(examine(moved).found).to.equal(true);
    appendFileSync(file, "x");
    expect(examine(moved)).to.include({ found: false, code: "E_FILE_CHANGED" });
    expect(examine(moved, { anyContents: true }).found).to.equal(true);
  });

  it("grown: a note", () => {
    appendFileSync(file, "x");
    expect(examine(identity, { neededSize: 10n }).notes).to.deep.equal([`${file}: grew from 10 to 11 bytes since the dump`]);
  });

  it("shrunk: a note, or an error below a position", () => {
    truncateSync(file, 5);
    expect(examine(identity, { neededSize: 5n }).notes).to.deep.equal([`${file}: shrank from 10 to 5 bytes since the dump`]);
    expect(examine(identity, { neededSize: 6n })).to.include({ found: false, code: "E_FILE_CHANGED" });
    expect(examine(identity, { neededSize: 6n }, true).found).to.equal(true);
  });

  it("a position beyond the old end needs nothing", () => {
    expect(examine(identity, { neededSize: 4096n })).to.deep.equal({ found: true, notes: [] });
  });

  it("modified: a note, or an error where pages come from it", () => {
    utimesSync(file, 2000, 2000);
    expect(examine(identity).notes).to.deep.equal([`${file}: was modified since the dump`]);
    expect(examine(identity, { unmodified: true })).to.include({ found: false, code: "E_FILE_CHANGED" });
    expect(examine(identity, { anyContents: true })).to.deep.equal({ found: true, notes: [] });
  });

  it("a device is known by its numbers", () => {
    const device = { ...identityOf("/dev/null"), ino: 1n, dev: 1n };
    expect(examine(device, { device: { major: 1, minor: 3 } })).to.deep.equal({ found: true, notes: [] });
    expect(examine(device, { device: { major: 1, minor: 5 } }, true)).to.include({ found: false, code: "E_FILE_CHANGED" });
  });

  it("a symbolic link itself, by O_PATH", () => {
    const link = path.join(dir, "link");
    symlinkSync("nowhere", link);
    expect(examine({ ...identityOf(dir), path: link })).to.include({ code: "E_FILE_MISSING" });
    const own = { ...identityOf(dir), path: link, mode: 0o120777, ino: 1n };
    const real = examine(own, { anyContents: true });
    expect(real).to.include({ found: false, code: "E_FILE_CHANGED" });
  });
});
