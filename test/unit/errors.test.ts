import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";

import { CrctlError, ERROR_CODES, EXIT, describeObject, formatError, ioError, printable, shortageOf } from "../../src/errors.js";

function findDocs(): string {
  for (let dir = import.meta.dirname; dir !== "/"; dir = path.dirname(dir)) {
    const file = path.join(dir, "docs/errors.md");
    if (existsSync(file)) return readFileSync(file, "utf8");
  }
  throw new Error("docs/errors.md is not above this test");
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it failed, write`), { code, errno: -1, syscall: "write" });
}

describe("errors", () => {
  it("are all described, with their exit status", () => {
    const rows = new Map([...findDocs().matchAll(/^\| `(E_[A-Z_]+)` \| ([^|]+) \|/gm)].map((match) => [match[1], match[2]?.trim()]));
    const expected = Object.entries(ERROR_CODES).map(([code, exit]) => [code, code === "E_INTERRUPTED" ? "128 + n" : String(exit)]);
    expect(Object.fromEntries(rows)).to.deep.equal(Object.fromEntries(expected));
  });

  it("have exit classes that are described too", () => {
    const docs = findDocs();
    for (const status of Object.values(EXIT)) expect(docs).to.match(new RegExp(`^\\| ${status} \\|`, "m"));
  });

  it("name the object", () => {
    const details = { pid: 5, tid: 6, comm: "cat", fd: 3, address: 0x1000n, object: "socket", path: "socket:[1]" };
    expect(describeObject(details)).to.equal("task 5 (cat), thread 6, descriptor 3, address 0x1000, socket, socket:[1]");
    expect(describeObject({ pid: 5, tid: 5 })).to.equal("task 5");
  });

  it("are printed with all their reasons", () => {
    const error = new CrctlError("E_UNSUPPORTED", "it cannot be saved", {
      hint: "see the manual",
      problems: [
        { code: "E_UNSUPPORTED", pid: 5, object: "socket", why: "sockets are not saved", hint: "close it" },
        { code: "E_UNSUPPORTED", why: "another thing" },
      ],
    });
    expect(formatError(error)).to.deep.equal([
      "it cannot be saved",
      "  task 5, socket: sockets are not saved",
      "      close it",
      "  another thing",
      "  see the manual",
    ]);
    expect(error.exitCode).to.equal(4);
    expect(JSON.parse(JSON.stringify(error))).to.deep.equal({
      error: {
        code: "E_UNSUPPORTED",
        message: "it cannot be saved",
        exitCode: 4,
        hint: "see the manual",
        problems: [
          { code: "E_UNSUPPORTED", pid: 5, object: "socket", why: "sockets are not saved", hint: "close it" },
          { code: "E_UNSUPPORTED", why: "another thing" },
        ],
      },
    });
  });

  it("write addresses in hexadecimal", () => {
    const error = new CrctlError("E_UNSUPPORTED", "m", { address: 0x7fffffffe000n });
    expect(error.toJSON()).to.have.nested.property("error.address", "0x7fffffffe000");
  });

  it("do not let names steer a terminal", () => {
    expect(printable("a\u001b[31m\nb\u009b")).to.equal("a\\x1b[31m\\x0ab\\x9b");
    expect(formatError(new CrctlError("E_IO", "no \u001b]0;x"))[0]).to.equal("no \\x1b]0;x");
  });

  it("of input and output are told apart", () => {
    expect(ioError("cannot write", "/x", systemError("ENOSPC")).code).to.equal("E_NO_SPACE");
    expect(ioError("cannot write", "/x", systemError("EDQUOT")).code).to.equal("E_NO_SPACE");
    expect(ioError("cannot write", "/x", systemError("EROFS")).code).to.equal("E_PERMISSION");
    expect(ioError("cannot write", "/x", systemError("EIO")).code).to.equal("E_IO");
    expect(shortageOf(systemError("EIO"))).to.equal(undefined);
    expect(shortageOf(systemError("EMFILE"))).to.include({ code: "E_IO", exitCode: 9 });
    // whatever it was taken for
    expect(shortageOf(new CrctlError("E_TARGET_DIED", "m", { cause: systemError("ENFILE") }))?.message).to.include("ENFILE");
    const own = new CrctlError("E_DIR", "m");
    expect(ioError("cannot write", "/x", own)).to.equal(own);
  });
});
