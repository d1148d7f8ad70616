/** Small parts of the attributes that are set from outside. */

import { expect } from "chai";

import { encodeMask, unifiedMountPoint } from "../../src/restore/attributes.js";

describe("restore: attributes", () => {
  it("CPU masks: hex with the lowest CPU last, bytes with the lowest first", () => {
    expect([...encodeMask("1")]).to.deep.equal([1]);
    expect([...encodeMask("abc")]).to.deep.equal([0xbc, 0x0a]);
    expect([...encodeMask("0100000002")]).to.deep.equal([2, 0, 0, 0, 1]);
  });

  it("the mount of the unified cgroup hierarchy", () => {
    const lines = [
      "25 30 0:23 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory",
      "26 30 0:24 /some/part /elsewhere rw - cgroup2 cgroup2 rw",
      "27 30 0:24 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate",
    ];
    expect(unifiedMountPoint(lines.join("\n"))).to.equal("/sys/fs/cgroup/unified");
    expect(unifiedMountPoint(lines[0] ?? "")).to.equal(undefined);
  });
});
