/** Whether there are enough huge pages for an image. */

import { expect } from "chai";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import type { Problem } from "../../src/errors.js";
import { CoreHead } from "../../src/image/elfcore.js";
import * as layout from "../../src/image/layout.js";
import { HugePages } from "../../src/restore/huge-pages.js";
import { core, record, records } from "./lib/core-builder.js";

const MIB = 1n << 20n;
const GIB = 1n << 30n;

function head(shift: number): CoreHead {
  const area = (start: bigint, end: bigint, flags = 0n): Uint8Array =>
    record(layout.Vma, { start, end, flags, kind: layout.VMA_KIND.HUGE, prot: 3, fd: -1, huge_shift: shift });
  const ordinary = record(layout.Vma, { start: 1n << 12n, end: 2n << 12n, kind: layout.VMA_KIND.ANON, fd: -1 });
  const vmas = [ordinary, area(2n * MIB, 8n * MIB), area(GIB, 3n * GIB, layout.VMF.NORESERVE)];
  const loads = [
    { vaddr: 1n << 12n, size: 4096n },
    { vaddr: 2n * MIB, size: 2n * MIB },
    { vaddr: 2n * GIB, size: GIB },
  ];
  return new CoreHead(core([records(layout.NT.VMA, vmas)], loads), "core");
}

describe("huge pages that an image needs", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), "crctl-test-"));
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  function stock(name: string, numbers: Readonly<Record<string, number>>): void {
    mkdirSync(path.join(root, name));
    const all = { free_hugepages: 0, resv_hugepages: 0, nr_overcommit_hugepages: 0, surplus_hugepages: 0, ...numbers };
    for (const [file, value] of Object.entries(all)) writeFileSync(path.join(root, name, file), `${value}\n`);
  }

  function problems(pageBytes: bigint, pages: bigint): Problem[] {
    const found: Problem[] = [];
    const huge = new HugePages();
    huge.add(pageBytes, pages - 1n);
    huge.add(pageBytes, 1n);
    huge.check(found, root);
    return found;
  }

  it("are those that are reserved, or else those that are there", () => {
    expect(head(21).hugeAreas()).to.deep.equal([
      { pageBytes: 2n * MIB, pages: 3n },
      { pageBytes: 2n * MIB, pages: 512n },
    ]);
    expect(() => head(22).hugeAreas()).to.throw("2^22");
  });

  it("have to be free, and not reserved", () => {
    stock("hugepages-2048kB", { free_hugepages: 7, resv_hugepages: 2 });
    expect(problems(2n * MIB, 5n)).to.deep.equal([]);
    const [problem] = problems(2n * MIB, 6n);
    expect(problem).to.include({ code: "E_NO_HUGE_PAGES", why: "the tree needs 6 of 2 MiB, and 5 are free" });
  });

  it("may be made when they are needed", () => {
    stock("hugepages-2048kB", { free_hugepages: 1, nr_overcommit_hugepages: 4, surplus_hugepages: 1 });
    expect(problems(2n * MIB, 4n)).to.deep.equal([]);
    expect(problems(2n * MIB, 5n)).to.have.lengthOf(1);
  });

  it("are of a size that the machine has", () => {
    stock("hugepages-2048kB", { free_hugepages: 1000 });
    const [problem] = problems(GIB, 1n);
    expect(problem).to.include({ code: "E_KERNEL" });
    expect(problem?.why).to.include("1 GiB");
  });
});
