/**
 * server.mjs OUTPUT FILE: node with an HTTP server, worker threads that do its work, and clients of it whose connections
 * are kept alive. Writes a number for each round until FILE exists, then "good".
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, existsSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import { URL } from "node:url";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { gzipSync, gunzipSync } from "node:zlib";

const PORT = 18082;
const digest = (text) => createHash("sha256").update(text.repeat(1000)).digest("hex");

if (!isMainThread) {
  const counter = new Int32Array(workerData);
  parentPort.on("message", ({ id, text }) => {
    Atomics.add(counter, 0, 1);
    parentPort.postMessage({ id, text: digest(text) });
  });
} else {
  const [output, stop] = process.argv.slice(2);
  const shared = new SharedArrayBuffer(4);
  const waiting = new Map();
  const workers = Array.from({ length: 3 }, () => new Worker(new URL(import.meta.url), { workerData: shared }));
  for (const worker of workers) {
    worker.on("message", ({ id, text }) => {
      waiting.get(id)(text);
      waiting.delete(id);
    });
  }
  let asked = 0;
  const ask = (text) =>
    new Promise((resolve) => {
      const id = asked++;
      waiting.set(id, resolve);
      workers[id % workers.length].postMessage({ id, text });
    });

  const connections = new Set(); // of the clients in here; somebody from outside may ask, too
  const server = createServer((incoming, outgoing) => {
    if (incoming.url !== "/outside") connections.add(incoming.socket);
    const chunks = [];
    incoming.on("data", (chunk) => chunks.push(chunk));
    incoming.on("end", () => {
      const text = chunks.length === 0 ? incoming.url : gunzipSync(Buffer.concat(chunks)).toString();
      ask(text).then((answer) => outgoing.end(answer));
    });
  });
  server.keepAliveTimeout = 0;
  server.listen(PORT, "127.0.0.1");
  await once(server, "listening");

  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const fetchFrom = async (path, body) => {
    const outgoing = request({ port: PORT, host: "127.0.0.1", path, agent, method: body === undefined ? "GET" : "POST" });
    outgoing.end(body === undefined ? undefined : gzipSync(body));
    const [incoming] = await once(outgoing, "response");
    let text = "";
    for await (const chunk of incoming.setEncoding("utf8")) text += chunk;
    return text;
  };

  const cat = spawn("cat", [], { stdio: ["pipe", "pipe", "inherit"] });
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 20);

  let round = 0;
  while (!existsSync(stop)) {
    round++;
    const before = ticks;
    const paths = Array.from({ length: 8 }, (_, i) => `/${round}/${i}`);
    const answers = await Promise.all(paths.map((path, i) => fetchFrom(path, i % 2 === 0 ? undefined : path.repeat(2000))));
    paths.forEach((path, i) => assert.equal(answers[i], digest(i % 2 === 0 ? path : path.repeat(2000))));
    cat.stdin.write(`round ${round}\n`);
    const [line] = await once(cat.stdout, "data");
    assert.equal(String(line), `round ${round}\n`);
    while (ticks === before) await sleep(5);
    appendFileSync(output, `${round}\n`);
  }

  clearInterval(ticking);
  assert.ok(connections.size <= 4, `${connections.size} connections: those that were there were lost`);
  assert.equal(Atomics.load(new Int32Array(shared), 0), asked);
  agent.destroy();
  server.close();
  cat.stdin.end();
  assert.deepEqual(await once(cat, "exit"), [0, null]);
  await Promise.all(workers.map((worker) => worker.terminate()));
  appendFileSync(output, "good\n");
}
