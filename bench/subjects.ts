/** What is dumped and restored: a program that notes the time, with something around it that takes its time. */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { sleep } from "./heart.js";

export interface Subject {
  name: string;
  /** for bench/heartbeat */
  args: readonly string[];
  /** brings it where it is to be measured, and says in words what there is then */
  prepare?: () => Promise<string>;
}

const REDIS_PORT = "7811";
const REDIS_KEYS = 200_000;
const REDIS_VALUE = 1000;
/** populated from outside, which takes a debug command; nothing is written to disk */
const REDIS = ["redis-server", "--port", REDIS_PORT, "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"];

function redis(...words: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync("redis-cli", ["-p", REDIS_PORT, ...words], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

async function fillRedis(): Promise<string> {
  for (let left = 1000; redis("ping") !== "PONG"; left--) {
    if (left === 0) throw new Error("redis-server does not answer");
    await sleep(50);
  }
  if (redis("dbsize") === "0") redis("debug", "populate", String(REDIS_KEYS), "key", String(REDIS_VALUE));
  return `${redis("dbsize") ?? "no"} keys, ${redis("get", `key:${REDIS_KEYS - 1}`)?.length ?? "no"} bytes in the last`;
}

/** A machine without redis-server measures the rest. */
const WITH_REDIS: readonly Subject[] = existsSync("/usr/bin/redis-server")
  ? [{ name: "redis, 200 MB of keys", args: REDIS, prepare: fillRedis }]
  : [];

export const SUBJECTS: readonly Subject[] = [
  { name: "16 MiB, one process", args: ["memory=16"] },
  { name: "512 MiB, one process", args: ["memory=512"] },
  { name: "100 processes", args: ["memory=1", "children=99"] },
  { name: "64 MiB shared since a fork by 9 processes", args: ["memory=64", "children=8"] },
  { name: "200 threads", args: ["threads=199"] },
  { name: "500 threads", args: ["threads=499"] },
  { name: "500 processes", args: ["children=499"] },
  { name: "1,000 pipes and 1,000 unix sockets, 10 processes", args: ["children=10", "pipes=100", "sockets=100"] },
  ...WITH_REDIS,
];
