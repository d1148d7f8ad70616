/** Where output goes, and in which colours. Colours are loaded only where somebody can see them. */

import { fstatSync, writeSync } from "node:fs";

import { CrctlError, formatError, printable } from "../errors.js";

export type Style = "red" | "yellow" | "green" | "cyan" | "bold" | "dim";
export type Paint = (style: Style, text: string) => string;

const plain: Paint = (_, text) => text;

/** process.stdout is only made where it may be a terminal: Node loads half of its network code for it. */
export function isTerminal(fd: 1 | 2): boolean {
  try {
    if (!fstatSync(fd).isCharacterDevice()) return false;
  } catch {
    return false; // closed
  }
  return (fd === 1 ? process.stdout : process.stderr).isTTY;
}

/** How to colour text for standard output or error: for a terminal that is not asked to be plain (no-color.org). */
export async function painter(fd: 1 | 2): Promise<Paint> {
  const off = process.env.NO_COLOR;
  if (!isTerminal(fd) || (off !== undefined && off !== "") || process.env.TERM === "dumb") return plain;
  const { Chalk } = await import("chalk");
  const chalk = new Chalk({ level: 1 });
  return (style, text) => chalk[style](text);
}

/** Synchronous, so that nothing is lost when the process ends right after; a reader that went away is no error. */
export function print(text: string): void {
  write(1, text);
}

export function printError(text: string): void {
  write(2, text);
}

/** What a person should know of a command that succeeds. It may hold names from outside. */
export function printNote(text: string): void {
  printError(`crctl: note: ${printable(text)}`);
}

function write(fd: number, text: string): void {
  const bytes = Buffer.from(`${text}\n`);
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EAGAIN") continue; // a pipe that somebody set non-blocking
      return;
    }
  }
}

/** One JSON document. 64-bit numbers are written as numbers where JavaScript holds them exactly, else as strings. */
export function printJson(value: unknown): void {
  print(toJson(value));
}

export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item === "bigint")
      return item <= BigInt(Number.MAX_SAFE_INTEGER) && item >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(item) : item.toString();
    return item;
  });
}

export async function reportError(error: CrctlError, json: boolean): Promise<void> {
  if (json) {
    printJson(error.toJSON());
    return;
  }
  const paint = await painter(2);
  const [first = "", ...rest] = formatError(error);
  printError([`${paint("red", "crctl:")} ${first} (${error.code})`, ...rest].join("\n"));
}
