/** What is read of a tree that runs: the lines of /proc. */

import { expect } from "chai";

import { attachmentsOf, mappingsOf, parseAreas, refusalsOf, sharedPolicies } from "../../src/dump/running/areas.js";
import { oddTimers, parseCall } from "../../src/dump/running/threads.js";
import { FILE_FLAG } from "../../src/image/layout.js";

function area(header: string, flags: string, own = { anonymous: 0, swap: 0 }): string {
  return `${header}\nSize:                  8 kB\nAnonymous:      ${own.anonymous} kB\nSwap:           ${own.swap} kB\nVmFlags: ${flags} \n`;
}

function why(header: string, flags = "rd wr mr mw me ac"): string {
  return parseAreas(area(header, flags))
    .flatMap(refusalsOf)
    .map((refusal) => refusal.why)
    .join("; ");
}

/** Devices of the kernel's own tmpfs, and hugetlbfs. */
const KERNEL = new Set(["0:1", "0:15"]);

describe("areas of memory", () => {
  it("private pages count, those of files that are shared do not", () => {
    const areas = parseAreas(
      area("00400000-00402000 r--p 00000000 fe:01 1573                               /usr/bin/a b", "rd mr mw me", {
        anonymous: 4,
        swap: 8,
      }) +
        area("7f0000000000-7f0000002000 rw-s 00000000 00:01 1033                       /dev/zero (deleted)", "rd wr sh", {
          anonymous: 4,
          swap: 4,
        }) +
        area("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]", "ex"),
    );
    expect(areas.map(({ name, ownBytes }) => [name, ownBytes])).to.deep.equal([
      ["/usr/bin/a b", 12288n],
      ["/dev/zero (deleted)", 0n],
    ]);
    expect(areas[0]).to.include({ start: 0x400000n, shared: false, ino: 1573n });
    expect(areas[0]?.device).to.deep.equal({ major: 0xfe, minor: 1 });
  });

  it("maps has no flags, and does as well", () => {
    const [heap] = parseAreas("55d0c0a00000-55d0c0a21000 rw-p 00000000 00:00 0                          [heap]\n");
    expect(heap?.flags).to.equal(undefined);
    expect(heap === undefined ? [] : refusalsOf(heap)).to.deep.equal([]);
  });

  it("private huge pages are memory like other, and no file", () => {
    const header = "7f00-7f10 rw-p 00000000 00:0f 7 /anon_hugepage (deleted)";
    expect(why(header, "rd wr mr mw me de ht")).to.equal("");
    const areas = parseAreas(`${header}\nAnonymous: 0 kB\nShared_Hugetlb: 2048 kB\nPrivate_Hugetlb: 4096 kB\nVmFlags: rd wr de ht \n`);
    expect(areas.map(({ ownBytes }) => ownBytes)).to.deep.equal([6n << 20n]);
    expect(mappingsOf({ pid: 1, threads: [] }, "x", areas, KERNEL)).to.deep.equal([]);
  });

  it("what is ordinary is not refused", () => {
    for (const name of ["", "[heap]", "[stack]", "[vdso]", "[vvar]", "[vvar_vclock]", "[anon:glibc: malloc]"])
      expect(why(`7f00-7f10 rw-p 00000000 00:00 0 ${name}`), name).to.equal("");
    expect(why("7f00-7f10 r--p 00000000 00:00 0 [vvar]", "rd mr pf io de dd")).to.equal("");
    expect(why("7f00-7f10 rw-s 00000000 00:01 7 [anon_shmem:pool]")).to.equal("");
    expect(why("7f00-7f10 rw-s 00000000 00:01 0 /SYSV00000000 (deleted)")).to.equal("");
  });

  it("what the module would refuse is", () => {
    expect(why("7f00-7f10 rw-p 00000000 00:00 0 ", "rd wr mr mw me ac um")).to.include("userfaultfd");
    expect(why("7f00-7f10 rw-p 00000000 00:00 0 ", "rd wr mr mw me ac ss")).to.include("shadow stack");
    expect(why("7f00-7f10 rw-p 00000000 00:00 0 ", "rd wr mr mw me ac sl")).to.include("mseal");
    expect(why("7f00-7f10 rw-s 00000000 00:05 9 /dev/mem", "rd wr sh mr mw ms pf io de dd")).to.equal("a mapping of device memory");
    expect(why("7f00-7f10 rw-s 00000000 00:0e 9 anon_inode:[io_uring]")).to.include("io_uring");
    expect(why("7f00-7f10 rw-s 00000000 00:0e 9 anon_inode:[perf_event]")).to.include("no ordinary file");
    expect(why("7f00-7f10 rw-s 00000000 00:0f 9 /[aio] (deleted)")).to.include("io_setup");
    expect(why("7f00-7f10 r-xp 00000000 00:00 0 [uprobes]")).to.include("uprobe");
    expect(why("7f00-7f10 r-xp 00000000 00:00 0 [something]")).to.include("[something]");
  });

  it("nameless memory is known by the file system that it is on, not by its name alone", () => {
    const areas = parseAreas(
      [
        "7f00-7f10 rw-s 00000000 00:01 7 /memfd:a (deleted)",
        "7f10-7f20 rw-s 00000000 fe:01 8 /memfd:b (deleted)",
        "7f20-7f30 rw-s 00000000 00:01 3 /SYSV00000000 (deleted)",
        "7f30-7f40 r--s 00000000 00:01 3 /SYSV00000000 (deleted)",
        "7f40-7f50 rw-s 00000000 00:0f 9 /anon_hugepage (deleted)",
        "7f50-7f60 rw-s 00000000 00:0f 9 /memfd:huge (deleted)",
        "7f60-7f70 rw-s 00000000 00:2a 9 /anon_hugepage (deleted)",
      ].join("\n"),
    );
    expect(
      mappingsOf({ pid: 12, threads: [13] }, "x", areas, KERNEL).map(({ name, fileFlags, source }) => [name, fileFlags, source]),
    ).to.deep.equal([
      ["/memfd:a", FILE_FLAG.MEMFD | FILE_FLAG.DELETED, "/proc/13/mfd/7f00"],
      ["/memfd:b", FILE_FLAG.DELETED, "/proc/13/mfd/7f10"],
      ["/SYSV00000000", FILE_FLAG.SYSV | FILE_FLAG.DELETED, "/proc/13/mfd/7f20"],
      ["/SYSV00000000", FILE_FLAG.SYSV | FILE_FLAG.DELETED, "/proc/13/mfd/7f30"],
      ["/anon_hugepage", FILE_FLAG.SHMEM_ANON | FILE_FLAG.DELETED, "/proc/13/mfd/7f40"],
      ["/memfd:huge", FILE_FLAG.MEMFD | FILE_FLAG.DELETED, "/proc/13/mfd/7f50"],
      ["/anon_hugepage", FILE_FLAG.DELETED, "/proc/13/mfd/7f60"],
    ]);
    expect([...attachmentsOf(areas, KERNEL)]).to.deep.equal([[3n, 2]]);
  });

  it("numa_maps: shared memory that has another policy than the first task", () => {
    const areas = parseAreas(
      [
        "7f00-7f10 rw-s 00000000 00:01 7 /dev/zero (deleted)",
        "7f10-7f20 rw-p 00000000 00:00 0",
        "7f20-7f30 rw-s 00000000 fe:01 8 /memfd:b (deleted)",
        "7f30-7f40 r-xp 00000000 00:00 0 [vdso]",
      ].join("\n"),
    );
    const found = (...policies: string[]): (bigint | undefined)[] =>
      sharedPolicies(policies.map((policy, i) => `7f${i}0 ${policy} anon=1`).join("\n"), areas, KERNEL).map(({ address }) => address);
    expect(found("default", "default", "default", "default")).to.deep.equal([]);
    expect(found("default", "bind:0", "bind:0", "default")).to.deep.equal([]);
    expect(found("bind:0", "default", "default", "default")).to.deep.equal([0x7f00n]);
    expect(found("default", "interleave:0", "interleave:0", "interleave:0")).to.deep.equal([0x7f00n]);
    expect(found("interleave:0", "interleave:0", "interleave:0", "interleave:0")).to.deep.equal([]);
    expect(sharedPolicies("", areas, KERNEL)).to.deep.equal([]);
    const huge = parseAreas(
      ["7f00-7f10 rw-s 00000000 00:0f 7 /anon_hugepage (deleted)", "7f10-7f20 rw-p 00000000 00:0f 8 /memfd:a (deleted)"]
        .map((line) => `${line}\nVmFlags: rd wr ht\n`)
        .concat("7f30-7f40 r-xp 00000000 00:00 0 [vdso]\n")
        .join(""),
    );
    const told = sharedPolicies("7f00 bind:0 huge\n7f10 bind:0 huge\n7f30 default", huge, KERNEL);
    expect(told.map(({ address }) => address)).to.deep.equal([0x7f00n]);
  });
});

describe("threads", () => {
  it("timers on clocks that are not saved", () => {
    const timer = (id: number, clock: number): string =>
      `ID: ${id}\nsignal: 14/0000000000000000\nnotify: signal/pid.7\nClockID: ${clock}\n`;
    // of the process, of its thread 8, of a thread 9 that has gone, of process 7 and of process 5, which is another
    const cpu = [-6, ~8 * 8 + 6, ~9 * 8 + 6, ~7 * 8 + 2, ~5 * 8 + 2].map((clock, i) => timer(i, clock)).join("");
    expect(oddTimers(cpu, 7, [7, 8])).to.deep.equal([
      { id: 2, clock: ~9 * 8 + 6 },
      { id: 4, clock: ~5 * 8 + 2 },
    ]);
    expect(oddTimers(timer(0, 1) + timer(1, 7) + timer(2, 9) + timer(3, 16), 7, [7])).to.deep.equal([{ id: 3, clock: 16 }]);
    expect(oddTimers("", 7, [7])).to.deep.equal([]);
  });

  it("the system call that a thread is in", () => {
    expect(parseCall("running\n")).to.equal(undefined);
    expect(parseCall("-1 0x7ffe 0x7f00\n")).to.equal(undefined);
    const call = parseCall("230 0xfffffffa 0x0 0x7ffe 0x0 0x0 0x0 0x7ffe 0x7f00\n");
    expect(call?.number).to.equal(230);
    expect(call?.arguments).to.have.length(6);
    expect(call?.arguments[0]).to.equal(0xfffffffan);
  });
});
