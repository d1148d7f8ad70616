/** TCP connections whose other end is not in the tree, with --tcp-keep: they go on after the restore. */

import { expect } from "chai";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { recordOf } from "../../src/kinds/tcp/held.js";
import { native } from "../../src/native.js";
import { must, mustFail, run } from "./lib/crctl.js";
import { faulty } from "./lib/faults.js";
import { CRCTL } from "./lib/paths.js";
import { Peer } from "./lib/peer.js";
import { pidsOfTree } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { until } from "./lib/wait.js";

const HELD = "/proc/net/crctl";
/** Connections of tcp_kept. */
const ALL = 9;

const held = (state: string): number =>
  readFileSync(HELD, "utf8")
    .split("\n")
    .filter((line) => line.includes(` ${state} `)).length;

async function withPeer(host: string, act: (program: Program, peer: Peer) => Promise<void>): Promise<void> {
  const peer = await Peer.start(host);
  try {
    const program = await Program.start("tcp_kept", [host, String(peer.port)]);
    await act(program, peer);
    expect(peer.wrong).to.deep.equal([]);
    expect(readFileSync(HELD, "utf8")).to.equal("");
  } finally {
    peer.stop();
    writeFileSync(HELD, "forget");
  }
}

async function dumped(program: Program, image: string): Promise<void> {
  const pids = pidsOfTree(program.pid);
  await program.dump(image, ["--tcp-keep"]);
  await program.gone(pids);
  expect(held("left")).to.equal(ALL);
}

async function end(program: Program, peer: Peer): Promise<void> {
  peer.goOn();
  await program.finish();
}

describe("TCP connections out of the tree that are kept", () => {
  for (const host of ["127.0.0.1", "::1"])
    it(`go on in every state: ${host}`, async () => {
      await withPeer(host, async (program, peer) => {
        const first = program.newImage();
        await dumped(program, first);
        await peer.call();
        await program.restore(first);
        expect(readFileSync(HELD, "utf8")).to.equal("");
        // what came meanwhile may still be on its way
        const second = program.newImage();
        await dumped(program, second);
        await program.restore(second);
        peer.goOn();
        await program.verify();

        const third = program.newImage();
        await dumped(program, third);
        await peer.call();
        await program.restore(third);
        await end(program, peer);
        await until("both questions to be answered", () => peer.answered === 2);
      });
    });

  it("are told of before the dump", async () => {
    await withPeer("127.0.0.1", async (program, peer) => {
      const tree = ["-t", String(program.pid)];
      const error = await mustFail("E_EXTERNAL", 4, ["dump", ...tree, "-D", program.newImage()]);
      expect(JSON.stringify(error)).to.match(/TCP connection.*not in the tree.*--tcp-keep/);
      for (const look of [["dump", "--dry-run"], ["check"]]) {
        const { stdout, stderr } = await must([...look, ...tree, "--tcp-keep"]);
        expect((stdout + stderr).match(/will be kept/g)).to.have.length(ALL);
      }
      expect(readFileSync(HELD, "utf8")).to.equal("");
      peer.say();
      await end(program, peer);
    });
  });

  it("are not kept of a tree that goes on by itself", async () => {
    for (const more of ["--leave-running", "--leave-stopped", "--tcp-close"])
      await mustFail("E_USAGE", 2, ["dump", "-t", "1", "-D", "/nowhere", "--tcp-keep", more]);
  });

  it("go on at once if the dump fails or is killed", async () => {
    await withPeer("127.0.0.1", async (program, peer) => {
      const points = ["dump.held", "dump.collected", "dump.renamed", "dump.held=kill", "dump.copied=kill", "dump.left=kill"];
      for (const fault of points) {
        const outcome = await faulty(fault, ["dump", "-t", String(program.pid), "-D", program.newImage(), "--tcp-keep"]);
        expect(fault.endsWith("kill") ? outcome.signal : outcome.status, fault).to.equal(fault.endsWith("kill") ? "SIGKILL" : 1);
        await until(`none to be held back after ${fault}`, () => readFileSync(HELD, "utf8") === "");
      }
      peer.say();
      peer.goOn();
      await program.verify();
      const image = program.newImage();
      await dumped(program, image);
      await peer.call();
      await program.restore(image);
      await end(program, peer);
    });
  });

  it("stay held back if the restore fails or is killed", async () => {
    await withPeer("127.0.0.1", async (program, peer) => {
      const image = program.newImage();
      await dumped(program, image);
      await peer.call();
      const points = [
        "restore.planned",
        "executor.op.tcp_hold",
        "executor.op.tcp_fill:2",
        "executor.op.tcp_end",
        "executor.forked",
        "executor.op.tcp_release",
      ];
      for (const fault of [...points, ...points.map((point) => `${point}=kill`)]) {
        const outcome = await faulty(fault, ["restore", "-d", "-D", image]);
        expect(outcome.status, fault).to.not.equal(0);
        // tasks of a restore that was killed end a moment later
        await until(
          () => `all to be left after ${fault}:\n${readFileSync(HELD, "utf8")}`,
          () => held("left") === ALL,
        );
      }
      await program.restore(image);
      await end(program, peer);
    });
  });

  it("whose packets nobody holds back any more are found reset", async () => {
    await withPeer("127.0.0.1", async (program, peer) => {
      const image = program.newImage();
      await dumped(program, image);
      writeFileSync(HELD, "forget");
      expect(readFileSync(HELD, "utf8")).to.equal("");
      await peer.call().catch(() => undefined);
      const { stderr } = await program.restore(image);
      expect(stderr).to.match(/9 of 9 TCP connections out of the tree were not held back/);
      expect(peer.wrong.splice(0)).to.not.have.length(0);
      // those that had nothing to say have not been asked yet
      process.kill(program.pid, "SIGKILL");
      await program.gone([program.pid]);
      peer.stop();
      peer.wrong.splice(0);
    });
  });

  it("take CAP_NET_ADMIN", async () => {
    await withPeer("127.0.0.1", async (program, peer) => {
      const command = ["dump", "-t", String(program.pid), "-D", program.newImage(), "--tcp-keep", "--json"];
      const { status, stdout } = await run("setpriv", [
        "--bounding-set",
        "-net_admin",
        "--inh-caps",
        "-net_admin",
        process.execPath,
        CRCTL,
        ...command,
      ]);
      expect(status, stdout).to.equal(7);
      expect(stdout).to.match(/E_PERMISSION.*CAP_NET_ADMIN/);
      const image = program.newImage();
      await dumped(program, image);
      const restored = await run("setpriv", [
        ...["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"],
        ...[process.execPath, CRCTL, "restore", "-d", "-D", image, "--json"],
      ]);
      expect(restored.status, restored.stdout).to.equal(7);
      expect(restored.stdout).to.match(/E_PERMISSION.*CAP_NET_ADMIN/);
      expect(held("left")).to.equal(ALL);
      peer.say();
      await program.restore(image);
      await end(program, peer);
    });
  });

  it("are held by one at a time, who says what there can be", () => {
    const record = (change: (bytes: Buffer) => void = () => undefined): Uint8Array => {
      const bytes = Buffer.from(recordOf("7f000001:9 7f000001:10"));
      change(bytes);
      return bytes;
    };
    const one = openSync(HELD, "r+");
    const other = openSync(HELD, "r+");
    try {
      const nonsense = [
        new Uint8Array(),
        record((bytes) => bytes.writeUInt16LE(1, 36)),
        record((bytes) => bytes.writeUInt16LE(1, 38)),
        record((bytes) => bytes.writeUInt8(1, 15)),
        Buffer.alloc(40 * 65537, record()),
      ];
      for (const bytes of nonsense) expect(() => native().holdConnections(one, bytes)).to.throw("EINVAL");
      expect(() => {
        native().letConnections(one, record());
      }).to.throw("ENOENT");
      expect(native().holdConnections(one, record())).to.equal(0);
      expect(native().holdConnections(one, Buffer.concat([record(), record()]))).to.equal(0);
      expect(held("open")).to.equal(1);
      expect(() => native().holdConnections(other, record())).to.throw("EBUSY");
      expect(() => {
        native().letConnections(other, record());
      }).to.throw("ENOENT");
      expect(() => {
        native().leaveConnections(one, 2 ** 30);
      }).to.throw("ESRCH");
      expect(() => {
        writeFileSync(HELD, "remember");
      }).to.throw("EINVAL");
      // those of others are not forgotten
      writeFileSync(HELD, "forget");
      expect(held("open")).to.equal(1);
      native().leaveConnections(one, process.pid);
      native().letConnections(one, record());
      expect(native().holdConnections(other, record())).to.equal(0);
    } finally {
      closeSync(one);
      closeSync(other);
    }
    expect(readFileSync(HELD, "utf8")).to.equal("");
  });
});
