import { expect } from "chai";

import { unifiedCgroup } from "../../src/proc/cgroup.js";
import { O_DIRECT, O_WRONLY, parseFdInfo } from "../../src/proc/fdinfo.js";
import { mountsOf } from "../../src/proc/mounts.js";
import { namespaceInode } from "../../src/proc/ns.js";
import { parseNetlink } from "../../src/proc/netlink.js";
import { deviceNumbers, hasEnded, isKernelThread, parseStat } from "../../src/proc/stat.js";
import { endpointOf, isAny, isLoopback, parseTcp } from "../../src/proc/tcp.js";
import { statusField, statusNumber } from "../../src/proc/status.js";

const TAIL =
  "S 1 12 11 34816 -1 4194560 117 0 0 0 0 0 0 0 20 0 1 0 4711 5693440 239 18446744073709551615 1 2 3 0 0 0 0 0 65536 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 256";

describe("proc", () => {
  it("mounts of a device, those of its root first", () => {
    const text = [
      "22 1 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw",
      "30 1 254:1 /sub /mnt/part rw shared:1 - ext4 /dev/vda1 rw",
      "31 1 254:1 / /mnt/a\\040name rw shared:1 - ext4 /dev/vda1 rw",
      "",
    ].join("\n");
    expect(mountsOf((254n << 20n) | 1n, text)).to.deep.equal(["/mnt/a name", "/mnt/part"]);
    expect(mountsOf(99n, text)).to.deep.equal([]);
  });

  it("netlink sockets, and whether a reply is on its way", () => {
    const text = [
      "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode",
      "00000000a1b2c3d4 0   4294963200 00000011 0        0        0     2        0        21098   ",
      "00000000a1b2c3d5 4   712        00000000 1280     0        1     2        0        21099   ",
      "",
    ].join("\n");
    expect(parseNetlink(text)).to.deep.equal([
      { protocol: 0, port: 4294963200, replying: false, ino: 21098n },
      { protocol: 4, port: 712, replying: true, ino: 21099n },
    ]);
  });

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
        threads: 1,
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

    it("knows processes that have ended from those that go on without their first thread", () => {
      const stat = parseStat(`13 (bash) ${TAIL}`);
      expect(hasEnded(stat)).to.equal(false);
      expect(hasEnded({ ...stat, state: "Z" })).to.equal(true);
      expect(hasEnded({ ...stat, state: "Z", threads: 2 })).to.equal(false);
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
      extra: [],
    });
  });

  it("reads cgroups and namespaces", () => {
    expect(unifiedCgroup("5:pids:/a\n0::/b/c\n")).to.equal("/b/c");
    expect(unifiedCgroup("5:pids:/a\n")).to.equal(undefined);
    expect(namespaceInode("pid:[4026531836]")).to.equal(4026531836n);
    expect(namespaceInode("/proc")).to.equal(undefined);
  });

  it("reads TCP sockets", () => {
    const four =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
      "   3: 0100007F:B123 0200000A:D52E 01 00000000:0000000D 00:00000000 00000000     0        0 9099 1 00000000e002b82f 20 4 31 10 -1\n";
    expect(parseTcp(four)).to.deep.equal([{ local: "7f000001:45347", remote: "0a000002:54574", state: 1, unread: 13, ino: 9099n }]);
    const six =
      "  sl  local_address\n" +
      "   0: 0000000000000000FFFF00000100007F:885F B80D0120000000000000000001000000:C47E 06 00000000:00000000 03:00001551 00000000     0        0 0 3 00\n";
    expect(parseTcp(six)).to.deep.equal([
      { local: "7f000001:34911", remote: "20010db8000000000000000000000001:50302", state: 6, unread: 0, ino: 0n },
    ]);
  });

  it("endpoints of socket addresses", () => {
    const four = Buffer.from("0200b1237f000001", "hex");
    const mapped = Buffer.from("0a00b1230000000000000000000000000000ffff7f00000100000000", "hex");
    expect(endpointOf(four)).to.equal("7f000001:45347");
    expect(endpointOf(mapped)).to.equal("7f000001:45347");
    expect(isLoopback("7f000102")).to.equal(true);
    expect(isLoopback("00000000000000000000000000000001")).to.equal(false);
    expect(isAny("00000000")).to.equal(true);
  });
});
