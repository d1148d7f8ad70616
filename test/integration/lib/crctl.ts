/** Running crctl, and what it says. */

import { spawn } from "node:child_process";
import { expect } from "chai";
import { PACE } from "./pace.js";
import { CRCTL } from "./paths.js";

export interface Outcome {
  command: string;
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** run as this user and group */
  uid?: number;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  stdin?: string;
  /** another path to crctl: one that this user can reach */
  program?: string;
  /** told of the process once it is there */
  started?: (pid: number) => void;
}

/** A dump or restore that hangs must not hang the suite. */
const TIMEOUT_MS = 250_000 * PACE;

export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ["pipe", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: options.env ?? process.env,
    });
    if (child.pid !== undefined) options.started?.(child.pid);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin.on("error", () => {
      // a command that ends without having read its input
    });
    child.stdin.end(options.stdin ?? "");
    child.on("error", reject);
    child.on("exit", (status, signal) => {
      const held = setTimeout(() => {
        reject(new Error(`${file} ${args.join(" ")} has ended, but somebody holds its output open`));
      }, 10_000);
      child.on("close", () => {
        clearTimeout(held);
        resolve({ command: [file, ...args].join(" "), status, signal, stdout, stderr });
      });
    });
  });
}

export function crctl(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return run(process.execPath, [options.program ?? CRCTL, ...args], options);
}

export function describeOutcome({ command, status, signal, stdout, stderr }: Outcome): string {
  return `${command}\n  ended with ${signal ?? status}\n  stdout: ${stdout}\n  stderr: ${stderr}`;
}

/** It must have worked. */
export async function must(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const outcome = await crctl(args, options);
  if (outcome.status !== 0) throw new Error(describeOutcome(outcome));
  return outcome;
}

interface ReportedObject {
  code?: string;
  object?: string;
  why?: string;
  pid?: number;
  fd?: number;
  path?: string;
  comm?: string;
  hint?: string;
}

export interface ReportedError extends ReportedObject {
  code: string;
  message: string;
  exitCode: number;
  problems?: ReportedObject[];
}

/** Codes whose message for people has been looked at: one of each will do, as the same code prints them all. */
const seen = new Set<string>();

const STACK_TRACE = /^\s+at .*(:\d+:\d+|\(node:)/m;

/** It must have failed in this way: the exit class and code, one clear message for people and the same as JSON, no stack trace. */
export async function mustFail(code: string, exitCode: number, args: readonly string[], options: RunOptions = {}): Promise<ReportedError> {
  const json = await crctl([...args, "--json"], options);
  const about = describeOutcome(json);
  expect(json.status, about).to.equal(exitCode);
  expect(json.stderr, about).to.not.match(STACK_TRACE);
  const { error } = JSON.parse(json.stdout) as { error: ReportedError };
  expect(error.code, about).to.equal(code);
  expect(error.exitCode, about).to.equal(exitCode);
  expect(json.stdout, about).to.not.match(/undefined|\[object Object\]/);
  if (!seen.has(code)) {
    const plain = await crctl(args, options);
    const text = describeOutcome(plain);
    expect(plain.status, text).to.equal(exitCode);
    expect(plain.stdout, text).to.equal("");
    expect(plain.stderr, text)
      .to.not.match(STACK_TRACE)
      .and.to.not.match(/undefined|\[object Object\]/);
    // the same sentence for both readers, but for what differs between two runs
    expect(plain.stderr, text).to.include(error.message.split(/\d/, 1)[0]).and.to.include(code);
    seen.add(code);
  }
  return error;
}
