import { expect } from "chai";

import { unifiedCgroup } from "../../src/proc/cgroup.js";
import { O_DIRECT, O_WRONLY, parseFdInfo } from "../../src/proc/fdinfo.js";
import { namespaceInode } from "../../src/proc/ns.js";
import { deviceNumbers, isKernelThread, parseStat } from "../../src/proc/stat.js";
import { statusField, statusNumber } from "../../src/proc/status.js";

const TAIL =
  "S 1 12 11 34816 -1 4194560 117 0 0 0 0 0 0 0 20 0 1 0 4711 5693440 239 18446744073709551615 1 2 3 0 0 0 0 0 65536 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 256";

describe("proc", () => {
  describe("stat", () => {
    it("reads the fields that are used", () => {
      expect(parseStat(`13 (bash) ${TAIL}\n`)).to.deep.equal({
        pid: 13,
        comm: "bash",
        state: "S",
        ppid: 1,
        pgid: 12,
        sid: 11,
        ttyDevice: 34816,
        flags: 4194560,
        startTicks: 4711n,
        exitSignal: 17,
        exitStatus: 256,
      });
    });

    it("is not misled by the name of the task", () => {
      expect(parseStat(`13 (a) S 99 (b) ${TAIL}`)).to.include({ comm: "a) S 99 (b", state: "S", ppid: 1 });
      expect(parseStat(`13 (x\n) ${TAIL}`)).to.include({ comm: "x\n", ppid: 1 });
      expect(parseStat(`13 () ${TAIL}`)).to.include({ comm: "", ppid: 1 });
    });

    it("knows kernel threads and terminals", () => {
      const stat = parseStat(`2 (kthreadd) ${TAIL}`);
      expect(isKernelThread(stat)).to.equal(false);
      expect(isKernelThread({ ...stat, flags: 0x208040 })).to.equal(true);
      expect(deviceNumbers(34816)).to.deep.equal({ major: 136, minor: 0 });
      expect(deviceNumbers(34819)).to.deep.equal({ major: 136, minor: 3 });
    });
  });

  it("reads fields of status, not of the name in it", () => {
    const text = "Name:\tUmask:\t0777\nUmask:\t0022\nState:\tt (tracing stop)\nTracerPid:\t0\nNSpid:\t7\t1\n";
    expect(statusField(text, "State")).to.equal("t (tracing stop)");
    expect(statusNumber(text, "Umask", 8)).to.equal(0o22);
    expect(statusField(text, "NSpid")).to.equal("7\t1");
    expect(statusField(text, "Seccomp")).to.equal(undefined);
  });

  it("reads fdinfo", () => {
    const text = "pos:\t4294967296\nflags:\t02140001\nmnt_id:\t29\nino:\t5\nlock:\t1: FLOCK  ADVISORY  WRITE 9 08:01:5 0 EOF\n";
    expect(parseFdInfo(text)).to.deep.equal({
      position: 4294967296n,
      flags: O_DIRECT | O_WRONLY | 0o100000,
      cloexec: true,
      mountId: 29,
      locks: ["1: FLOCK  ADVISORY  WRITE 9 08:01:5 0 EOF"],
    });
  });

  it("reads cgroups and namespaces", () => {
    expect(unifiedCgroup("5:pids:/a\n0::/b/c\n")).to.equal("/b/c");
    expect(unifiedCgroup("5:pids:/a\n")).to.equal(undefined);
    expect(namespaceInode("pid:[4026531836]")).to.equal(4026531836n);
    expect(namespaceInode("/proc")).to.equal(undefined);
  });
});
