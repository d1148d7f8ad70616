/** /proc/sysvipc/, proc_sysvipc(5): the System V objects of our IPC namespace. */

import { readFileSync } from "node:fs";

import { isSystemError } from "../errors.js";

/** What all kinds have. */
interface ObjectStat {
  key: number;
  id: number;
  /** permissions */
  mode: number;
  uid: number;
  gid: number;
  cuid: number;
  cgid: number;
}

export interface SegmentStat extends ObjectStat {
  /** marked for destruction, SHM_DEST */
  destroyed: boolean;
  /** SHM_LOCKED */
  locked: boolean;
  size: bigint;
  creatorPid: number;
  /** shm_nattch: mappings in all tasks */
  attached: number;
}

export interface SemaphoreStat extends ObjectStat {
  /** how many semaphores it has */
  count: number;
}

export interface QueueStat extends ObjectStat {
  /** processes; 0: none yet, or one of another pid namespace */
  lastSender: number;
  lastReceiver: number;
}

const PERMISSIONS = 0o777;
const SHM_DEST = 0o1000;
const SHM_LOCKED = 0o2000;

type Fields = Readonly<Record<string, string>>;

/** The first line names the columns. */
function parse<T>(text: string, make: (fields: Fields) => T): T[] {
  const [names = [], ...rows] = text.split("\n").map((line) => line.trim().split(/\s+/));
  return rows
    .filter(({ length }) => length >= names.length)
    .map((row) => make(Object.fromEntries(names.map((name, i) => [name, row[i] ?? ""]))));
}

function objectOf(fields: Fields, id: string): ObjectStat {
  const { key, uid, gid, cuid, cgid } = fields;
  return {
    key: Number(key),
    id: Number(fields[id]),
    mode: bitsOf(fields) & PERMISSIONS,
    uid: Number(uid),
    gid: Number(gid),
    cuid: Number(cuid),
    cgid: Number(cgid),
  };
}

function bitsOf({ perms }: Fields): number {
  return Number.parseInt(perms ?? "", 8);
}

export function parseSegments(text: string): SegmentStat[] {
  return parse(text, (fields) => ({
    ...objectOf(fields, "shmid"),
    destroyed: (bitsOf(fields) & SHM_DEST) !== 0,
    locked: (bitsOf(fields) & SHM_LOCKED) !== 0,
    size: BigInt(fields.size ?? 0),
    creatorPid: Number(fields.cpid),
    attached: Number(fields.nattch),
  }));
}

export function parseSemaphores(text: string): SemaphoreStat[] {
  return parse(text, (fields) => ({ ...objectOf(fields, "semid"), count: Number(fields.nsems) }));
}

export function parseQueues(text: string): QueueStat[] {
  return parse(text, (fields) => ({
    ...objectOf(fields, "msqid"),
    lastSender: Number(fields.lspid),
    lastReceiver: Number(fields.lrpid),
  }));
}

function read(name: string): string {
  try {
    return readFileSync(`/proc/sysvipc/${name}`, "latin1");
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") return ""; // a kernel without
    throw error;
  }
}

export const readSegments = (): SegmentStat[] => parseSegments(read("shm"));
export const readSemaphores = (): SemaphoreStat[] => parseSemaphores(read("sem"));
export const readQueues = (): QueueStat[] => parseQueues(read("msg"));
