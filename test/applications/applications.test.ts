/** Servers and runtimes that people run, as Debian ships them: under load, dumped and restored several times. */

import { expect } from "chai";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describeOutcome, run } from "../integration/lib/crctl.js";
import { newDirectory } from "../integration/lib/directories.js";
import { until } from "../integration/lib/wait.js";
import { Application, liveThrough } from "./lib/application.js";

const PYTHON = "/usr/bin/python3";
const HUGE_PAGES = "/proc/sys/vm/nr_hugepages";

async function output(file: string, args: readonly string[], cwd?: string): Promise<string> {
  const outcome = await run(file, args, cwd === undefined ? {} : { cwd });
  expect(outcome.status, describeOutcome(outcome)).to.equal(0);
  return outcome.stdout.trim();
}

const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

describe("applications", () => {
  it("redis-server, with clients that stay connected, keys that expire, a log that is appended to", async () => {
    const redis = await Application.start(PYTHON, "redis.py");
    await liveThrough(redis, async () => {
      const rounds = redis.rounds().length;
      expect(Number(await output("redis-cli", ["-p", "16379", "GET", "counter"]))).to.be.at.least(rounds);
      expect(await output("redis-cli", ["-s", redis.path("redis.sock"), "CLIENT", "LIST"])).to.match(/(.*\n){3}/);
    });
  });

  it("nginx with two workers, kept and slow connections, and a proxy; then it reloads", async () => {
    const nginx = await Application.start(PYTHON, "nginx.py");
    await liveThrough(nginx, async () => {
      const response = await fetch("http://127.0.0.1:18080/300000", { headers: { connection: "close" } });
      expect(response.status).to.equal(200);
      expect(sha256(Buffer.from(await response.arrayBuffer()))).to.equal(sha256(readFileSync(nginx.path("files/300000"))));
    });
  });

  it("PostgreSQL under pgbench, over TCP and a unix socket, in huge pages", async () => {
    const before = readFileSync(HUGE_PAGES, "latin1");
    writeFileSync(HUGE_PAGES, "48");
    const postgresql = await Application.start(PYTHON, "postgresql.py");
    await liveThrough(postgresql, async () => {
      const counted = await output("psql", [
        ...["-h", "127.0.0.1", "-p", "15432", "-U", "nobody", "-d", "postgres", "-AXtqc"],
        "select count(*) from pgbench_history",
      ]);
      expect(Number(counted)).to.be.greaterThan(0);
    });
    writeFileSync(HUGE_PAGES, before);
  });

  it("node: an HTTP server, worker threads, clients with kept connections", async () => {
    await liveThrough(await Application.start(process.execPath, "server.mjs"), async () => {
      const text = await (await fetch("http://127.0.0.1:18082/outside", { headers: { connection: "close" } })).text();
      expect(text).to.equal(sha256(Buffer.from("/outside".repeat(1000))));
    });
  });

  it("Python: threads, processes with queues and shared memory, an event loop, subprocesses", async () => {
    await liveThrough(await Application.start(PYTHON, "python.py"), () => Promise.resolve());
  });

  it("tmux with shells in two windows, one of which works and one of which is typed to", async () => {
    const directory = newDirectory();
    const tmux = (...args: string[]): Promise<string> => output("tmux", ["-S", path.join(directory, "socket"), ...args], directory);
    writeFileSync(path.join(directory, "log"), "");
    const loop = "n=0; until [ -e go ]; do echo $((n += 1)); sleep 0.05; done | tee -a result; echo good >>result; tmux kill-server";
    await tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", loop);
    await tmux("new-window", "bash --norc");
    const server = Application.of(Number(await tmux("display-message", "-p", "#{pid}")), directory);
    let typed = 0;
    await liveThrough(server, async () => {
      typed++;
      await tmux("send-keys", `echo "typed $((${typed} * 7)), of $COLUMNS columns"`, "Enter");
      await until("the shell's answer", async () => (await tmux("capture-pane", "-p")).includes(`typed ${typed * 7}, of 100 columns`));
    });
  });
});
