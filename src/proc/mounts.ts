/** /proc/self/mountinfo, proc(5). */

import { closeSync, constants, openSync, readFileSync } from "node:fs";

import { parseFdInfo } from "./fdinfo.js";

const O_PATH = 0o10000000;

/** The device of the file system that a file is on (major << 20 | minor), which stat(2) may have otherwise: overlayfs, btrfs. */
export function deviceOf(file: string): bigint | undefined {
  const fd = openSync(file, O_PATH | constants.O_NOFOLLOW);
  try {
    const { mountId } = parseFdInfo(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"));
    const line = mountinfoOf(readFileSync("/proc/self/mountinfo", "latin1")).find(([id]) => Number(id) === mountId);
    const [major, minor] = (line?.[2] ?? "").split(":");
    return major === undefined || minor === undefined ? undefined : (BigInt(major) << 20n) | BigInt(minor);
  } finally {
    closeSync(fd);
  }
}

function mountinfoOf(text: string): string[][] {
  return text.split("\n").map((line) => line.split(" "));
}

/** Where the file system of a device (major << 20 | minor) is mounted; those of its root first. */
export function mountsOf(device: bigint, mountinfo = readFileSync("/proc/self/mountinfo", "latin1")): string[] {
  const name = `${device >> 20n}:${device & 0xfffffn}`;
  return mountinfoOf(mountinfo)
    .filter(([, , dev]) => dev === name)
    .sort(([, , , one], [, , , other]) => Number(other === "/") - Number(one === "/"))
    .map(([, , , , point]) => unescape(point ?? ""));
}

export function mountPoints(): Set<string> {
  return new Set(mountinfoOf(readFileSync("/proc/self/mountinfo", "latin1")).map(([, , , , point]) => unescape(point ?? "")));
}

/** Blanks and their like are there as three octal digits. */
function unescape(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
