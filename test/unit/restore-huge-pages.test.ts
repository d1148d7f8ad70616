/** Whether there are enough huge pages for an image. */

import { expect } from "chai";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import type { Problem } from "../../src/errors.js";
import { CoreHead } from "../../src/image/elfcore.js";
import * as layout from "../../src/image/layout.js";
import type { DataRef, HugeContents, MappedFile, Range } from "../../src/image/schema.js";
import { crossCheckHugePages } from "../../src/image/validate-huge.js";
import { fillOp, hugeDataBytes, pagesOf } from "../../src/kinds/huge.js";
import { HugePages } from "../../src/restore/huge-pages.js";
import { OP } from "../../src/restore/plan.js";
import { core, record, records } from "./lib/core-builder.js";

const MIB = 1n << 20n;
const GIB = 1n << 30n;

function head(shift: number): CoreHead {
  const area = (start: bigint, end: bigint, flags = 0n): Uint8Array =>
    record(layout.Vma, { start, end, flags, kind: layout.VMA_KIND.HUGE, prot: 3, fd: -1, huge_shift: shift });
  const ordinary = record(layout.Vma, { start: 1n << 12n, end: 2n << 12n, kind: layout.VMA_KIND.ANON, fd: -1 });
  const file = record(layout.Vma, { start: 8n * MIB, end: 10n * MIB, kind: layout.VMA_KIND.FILE_PRIVATE, fd: -1, huge_shift: 21 });
  const shared = record(layout.Vma, { start: 10n * MIB, end: 12n * MIB, kind: layout.VMA_KIND.FILE_SHARED, fd: -1, huge_shift: 21 });
  const vmas = [ordinary, area(2n * MIB, 8n * MIB), file, shared, area(GIB, 3n * GIB, layout.VMF.NORESERVE)];
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
      { pageBytes: 2n * MIB, pages: 1n },
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

describe("files of huge pages", () => {
  const data = (huge: Partial<HugeContents> = {}, size = 8n * MIB): DataRef => ({
    name: "data-0.img",
    size,
    huge: { pageBytes: 2n * MIB, runs: [], reserved: false, ...huge },
  });
  const range = (start: bigint, end: bigint): Range => ({ start: start * MIB, end: end * MIB });

  it("take what is there, and what is reserved, once", () => {
    const pages = (huge: Partial<HugeContents>, size: bigint, ...reserved: Range[]): bigint =>
      pagesOf({ pageBytes: 2n * MIB, runs: [], reserved: false, ...huge }, size, reserved);
    expect(pages({}, 8n * MIB)).to.equal(0n);
    expect(pages({ runs: [range(0n, 2n), range(4n, 8n)] }, 8n * MIB)).to.equal(3n);
    expect(pages({ runs: [range(4n, 8n)] }, 8n * MIB, range(2n, 6n), range(0n, 2n), range(0n, 4n))).to.equal(4n);
    // it ends within a page, and has another one behind its end
    expect(pages({ runs: [range(4n, 6n)], reserved: true }, 2n * MIB + 1n)).to.equal(3n);
  });

  it("are copied as whole pages", () => {
    expect(hugeDataBytes({ pageBytes: 2n * MIB, runs: [], reserved: false }, 2n * MIB + 1n)).to.equal(4n * MIB);
    expect(hugeDataBytes({ pageBytes: 2n * MIB, runs: [range(6n, 8n)], reserved: false }, 0n)).to.equal(8n * MIB);
  });

  it("are filled by an operation that says which pages are there", () => {
    const op = fillOp(OP.FILL, 3, 5n * MIB, data({ runs: [range(0n, 2n)], reserved: true }), {});
    expect(op).to.include({ type: OP.FILL, slot: 3, a: 5n * MIB, flags: 1 });
    const bytes = Buffer.concat(op.data as Uint8Array[]);
    expect([0, 4, 8].map((at) => bytes.readUInt32LE(at))).to.deep.equal([21, 1, 1]);
    expect([16, 24].map((at) => bytes.readBigUInt64LE(at))).to.deep.equal([0n, 2n * MIB]);
    expect(bytes.subarray(32).toString()).to.equal("data-0.img");
    expect(fillOp(OP.FILL, 3, 5n, { name: "data-1.img", size: 5n }, {})).to.deep.include({ a: 5n, data: "data-1.img" });
  });

  it("as an image may have them", () => {
    const accepted = (contents: DataRef, size = 8n * MIB): boolean => {
      const file = { id: 0, identity: { size }, data: contents } as unknown as MappedFile;
      try {
        crossCheckHugePages([file], [], (condition) => {
          if (!condition) throw new RangeError();
        });
        return true;
      } catch (error) {
        expect(error).to.be.instanceOf(RangeError);
        return false;
      }
    };
    expect(accepted({ name: "data-0.img", size: 5n })).to.equal(true);
    expect(accepted(data({ runs: [range(0n, 4n), range(4n, 6n)], reserved: true }))).to.equal(true);
    expect(accepted(data(), 7n * MIB + 1n)).to.equal(true);
    const impossible: [string, DataRef, bigint?][] = [
      ["a page size", data({ pageBytes: 4n * MIB })],
      ["another page size", data({ pageBytes: 0n })],
      ["no whole pages", data({}, 7n * MIB)],
      ["a negative size", data({}, -2n * MIB)],
      ["a file longer than its contents", data(), 9n * MIB],
      ["a file of negative length", data(), -1n],
      ["an empty run", data({ runs: [range(2n, 2n)] })],
      ["a run backwards", data({ runs: [range(4n, 2n)] })],
      ["a run before the beginning", data({ runs: [range(-2n, 2n)] })],
      ["a run behind the end", data({ runs: [range(6n, 10n)] })],
      ["a part of a page", data({ runs: [range(0n, 3n)] })],
      ["runs out of order", data({ runs: [range(4n, 6n), range(0n, 2n)] })],
      ["runs that meet", data({ runs: [range(0n, 4n), range(2n, 6n)] })],
    ];
    for (const [what, contents, size] of impossible) expect(accepted(contents, size), what).to.equal(false);
  });
});
