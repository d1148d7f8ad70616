/** Sockets: unix(7), tcp(7), udp(7). */

import { expect } from "chai";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";

import { mustFail } from "./lib/crctl.js";
import { Program } from "./lib/program.js";
import { describeRows } from "./lib/scenario.js";

describeRows("sockets", [
  { program: "unix_stream" },
  { program: "unix_named" },
  { program: "unix_passed" },
  { program: "unix_peer" },
  { program: "unix_gone" },
  { program: "unix_moved" },
  { program: "unix_queue" },
  { program: "tcp_listen" },
  { program: "tcp_connected" },
  { program: "tcp_over" },
  { program: "udp" },
  { program: "udp_kept" },
  { program: "netlink" },
  { program: "socket_filter" },
]);

describe("a socket that is looked at", () => {
  it("keeps the error that its program has not been told of", async () => {
    const program = await Program.start("looked_at", ["error"]);
    await program.dump(program.newImage(), ["--leave-running"]);
    await program.verify();
    await program.finish();
  });

  for (const kind of ["udp", "datagram", "packet"])
    it(`has empty messages that another look finds, too: ${kind}`, async () => {
      const program = await Program.start("looked_at", [kind]);
      for (let i = 0; i < 2; i++) await program.dump(program.newImage(), ["--leave-running"]);
      await program.cycle();
      await program.verify();
      await program.finish();
    });

  it("is left to who peeks by offset, whom empty messages pass only once", async () => {
    const program = await Program.start("looked_at", ["offset"]);
    const error = await mustFail("E_UNSUPPORTED", 4, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
    expect(JSON.stringify(error)).to.match(/UDP socket.*looked at/);
    await program.verify();
    await program.finish();
  });
});

describe("a TCP connection out of the tree", () => {
  it("is refused, and found reset with --tcp-close", async () => {
    const server = createServer((socket: Socket) => {
      socket.on("error", () => undefined);
      socket.write("hello");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const program = await Program.start("tcp_client", [String((server.address() as AddressInfo).port)]);
      const error = await mustFail("E_EXTERNAL", 4, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
      expect(JSON.stringify(error)).to.match(/TCP connection.*not in the tree.*--tcp-close/);
      const image = program.newImage();
      await program.dump(image, ["--tcp-close"]);
      await program.gone([program.pid]);
      await program.restore(image);
      await program.finish();
    } finally {
      server.close();
    }
  });
});
