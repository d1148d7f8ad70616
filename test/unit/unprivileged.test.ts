/** What is found out about mapped files and cgroups without privilege. */

import { readFileSync } from "node:fs";
import { expect } from "chai";

import { MappedNames } from "../../src/kinds/unprivileged.js";
import { native } from "../../src/native.js";
import { memoryOf } from "../../src/proc/maps.js";
import { commonCgroup } from "../../src/restore/attributes.js";

const MAPS = `55d0c0a00000-55d0c0a02000 r--p 00000000 fd:01 4711                       /usr/bin/a b
55d0c0a04000-55d0c0a05000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 rw-s 00000000 00:01 2052                       /dev/zero (deleted)
`;

describe("without privilege", () => {
  it("mappings are told apart by device and inode as the kernel has them", () => {
    expect([...memoryOf(MAPS)]).to.deep.equal([
      [0x55d0c0a00000n, "fd:01 4711"],
      [0x7f0000000000n, "00:01 2052"],
    ]);
  });

  it("a name is believed if a mapping of one's own shows the same inode", () => {
    const maps = readFileSync("/proc/self/maps", "utf8");
    const [, start = "", name = ""] = /^([0-9a-f]+)-\S+ r\S+ 00000000 \S+ [1-9]\d* +(\/\S+)$/m.exec(maps) ?? [];
    const mapping = { via: process.pid, address: BigInt(`0x${start}`), name, fileFlags: 0 };
    const names = new MappedNames();
    expect(names.examine(mapping)).to.have.property("ino");
    expect(names.examine({ ...mapping, name: "/etc/passwd" }))
      .to.have.property("why")
      .that.includes("another file");
    expect(names.examine({ ...mapping, name: "/no/such/file" }))
      .to.have.property("why")
      .that.includes("no such name");
    expect(names.examine({ ...mapping, fileFlags: 1 }))
      .to.have.property("why")
      .that.includes("no name");
    expect(native().mappedIds(["/proc", "/dev/null"])).to.deep.equal([-22, -22]);
  });

  it("what is above two cgroups", () => {
    expect(commonCgroup("/a/b", "/a/c")).to.equal("/a");
    expect(commonCgroup("/a", "/a/c")).to.equal("/a");
    expect(commonCgroup("/", "/a")).to.equal("");
    expect(commonCgroup("/ab", "/a")).to.equal("");
  });
});
