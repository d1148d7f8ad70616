import { expect } from "chai";

import { POLICY, type MemPolicyRecord } from "../../src/image/layout.js";
import { missingNodes, parseMask, parseRanges, rangesOf } from "../../src/restore/policies.js";

const policy = (mode: number, mask: bigint): MemPolicyRecord => ({
  start: 0n,
  end: 0n,
  thread: 1,
  mode,
  home_node: -1,
  pad: 0,
  nodes: Array.from({ length: 16 }, (_, i) => (mask >> BigInt(64 * i)) & 0xffffffffffffffffn),
});

describe("restore: memory policies", () => {
  it("read what the kernel says of nodes", () => {
    expect(parseMask("\t00000001,00000003\n")).to.equal(0x100000003n);
    expect(parseMask("")).to.equal(0n);
    expect(parseRanges("0-1,4\n")).to.equal(0x13n);
    expect(parseRanges("\n")).to.equal(0n);
    expect(rangesOf(0x13n | (1n << 64n))).to.equal("0-1,4,64");
  });

  it("nothing is said where all nodes are there, or numbers are relative", () => {
    const all = [policy(POLICY.BIND, 3n), policy(POLICY.LOCAL, 0n), policy(POLICY.INTERLEAVE | POLICY.RELATIVE_NODES, 0xf0n)];
    expect(missingNodes(all, 3n)).to.equal(undefined);
    expect(missingNodes([], 1n)).to.equal(undefined);
  });

  it("nodes that are not there are told once, and what that leaves", () => {
    const some = [policy(POLICY.INTERLEAVE, 0xfn), policy(POLICY.BIND | POLICY.STATIC_NODES, 2n), policy(POLICY.BIND, 1n)];
    expect(missingNodes(some, 1n)).to.match(/^NUMA nodes 1-3, .* left out of 2 of them, 1 without another node: the default policy/);
    expect(missingNodes([policy(POLICY.INTERLEAVE, 1n | (1n << 70n))], 1n)).to.match(
      /^NUMA node 70, .* is not here: left out of 1 of them$/,
    );
    expect(missingNodes([policy(POLICY.BIND, 2n)], 1n)).to.match(/left out of 1 of them, without another node/);
  });
});
