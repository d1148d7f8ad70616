import { expect } from "chai";

import { judged } from "../integration/lib/kmsg.js";

const CUT = "------------[ cut here ]------------";
const END = "---[ end trace 0000000000000000 ]---";
/** As vagrant/known-bugs has one. */
const KNOWN = "WARNING: CPU: 1 PID: 7 at mm/hugetlb.c:1 hugetlb_split+0x1/0x2";
const OTHER = "WARNING: CPU: 0 PID: 8 at kernel/fork.c:1 somewhere+0x1/0x2";

const left = (...texts: string[]): string[] => judged(texts.map((text) => [4, text])).map(([, text]) => text);

describe("what kernels complain of", () => {
  it("without what a known bug says, from beginning to end", () => {
    expect(left("a", CUT, KNOWN, "more", END, "b")).to.deep.equal(["a", "b"]);
    expect(left("a", CUT, KNOWN, CUT, "more", END, KNOWN, "more", END, "b")).to.deep.equal(["a", "b"]);
  });

  it("with everything else", () => {
    expect(left(OTHER)).to.deep.equal([OTHER]);
    expect(left(CUT, OTHER, END)).to.deep.equal([CUT, OTHER, END]);
    // of two the one, in either order
    expect(left(CUT, OTHER, END, CUT, KNOWN, END)).to.deep.equal([CUT, OTHER, END]);
    expect(left(CUT, KNOWN, END, CUT, OTHER, END)).to.deep.equal([CUT, OTHER, END]);
    // printed at the same time, and one that another one interrupted
    for (const both of [
      [CUT, OTHER, CUT, KNOWN, END, END],
      [CUT, CUT, KNOWN, END, OTHER, END],
      [CUT, OTHER, CUT, KNOWN, END],
    ])
      expect(left("a", ...both)).to.deep.equal(["a", ...both]);
    // outside of a report, and in one that has no end
    expect(left(KNOWN)).to.deep.equal([KNOWN]);
    expect(left(CUT, KNOWN)).to.deep.equal([CUT, KNOWN]);
  });
});
