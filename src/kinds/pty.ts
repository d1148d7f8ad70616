/** Pseudo-terminals whose master is open in the tree: both sides, and what the line discipline between them holds. */

import { existsSync } from "node:fs";

import { DESCRIPTOR_WHAT, TERMINAL_FLAG } from "../image/layout.js";
import type { Pty, PtyFile, Task } from "../image/schema.js";
import { native, type MasterState, type StatRecord, type TerminalSide } from "../native.js";
import { CAP, hasCapability } from "../proc/capabilities.js";
import { O_NONBLOCK, O_RDWR, extraField } from "../proc/fdinfo.js";
import { deviceNumbers, parseStat } from "../proc/stat.js";
import type { RestoreContext, RestoreHalf } from "../restore/context.js";
import { OP, PTY, type Subject } from "../restore/plan.js";
import { openFlags, setOwner } from "./open.js";
import { MASTER_LINKS, encodeTermios, encodeWindow, passing, stopping, typing } from "./termios.js";
import { withDuplicate } from "./duplicates.js";
import { S_IFCHR, baseOf, descriptorOf, isType, splitDevice, type DumpContext, type DumpHalf, type Found } from "./types.js";

/** Major number of slaves, Documentation/admin-guide/devices.txt; the kernel gives all of them this one. */
const SLAVE_MAJOR = 136;
/** What problems and failures about one call it. */
export const PTY_OBJECT = "pseudo-terminal";
const N_TTY = 0;
const NOTHING = new Uint8Array();
const PATIENCE_MS = 1000;
const PAUSE_MS = 20;

export function slavePath(index: number): string {
  return `/dev/pts/${index}`;
}

/** From the number in /proc/<pid>/stat: n of /dev/pts/n, undefined if it is another terminal or none. */
export function slaveIndex(device: number): number | undefined {
  const { major, minor } = deviceNumbers(device);
  return major === SLAVE_MAJOR ? minor : undefined;
}

// ---- dump ----

export const ptyDump: DumpHalf = {
  claims: (found, context) => sideOf(found, context) !== undefined,

  dump(found, context): PtyFile | undefined {
    const side = sideOf(found, context);
    if (side === undefined) return undefined;
    const pty = pairOf(side.index, context);
    return pty === undefined ? undefined : { ...baseOf(found), kind: "pty", side: side.side, path: found.link, pty };
  },
};

interface Side {
  side: PtyFile["side"];
  index: number;
}

/** What has been found out about the ptys of a tree: once for all their descriptions. */
interface Known {
  masters: ReadonlyMap<number, Found>;
  sides: Map<Found, Side | undefined>;
  pairs: Map<number, Pty | undefined>;
}

const known = new WeakMap<DumpContext, Known>();

function knownOf(context: DumpContext): Known {
  let table = known.get(context);
  if (table === undefined) {
    const masters = context.files.flatMap((found): [number, Found][] => {
      const index = masterIndex(found.link, found.info);
      return index === undefined || !isType(found.stat, S_IFCHR) ? [] : [[index, found]];
    });
    known.set(context, (table = { masters: new Map(masters), sides: new Map(), pairs: new Map() }));
  }
  return table;
}

/** Of a descriptor of a master; its fdinfo tells. */
export function masterIndex(link: string, info: Found["info"]): number | undefined {
  const index = MASTER_LINKS.includes(link) ? extraField(info, "tty-index") : undefined;
  return index === undefined ? undefined : Number(index);
}

/** Undefined: no pty of the tree. */
function sideOf(found: Found, context: DumpContext): Side | undefined {
  const { masters, sides } = knownOf(context);
  if (masters.size === 0 || !isType(found.stat, S_IFCHR)) return undefined;
  if (!sides.has(found)) sides.set(found, lookAt(found, masters));
  return sides.get(found);
}

function lookAt(found: Found, masters: ReadonlyMap<number, Found>): Side | undefined {
  const own = masterIndex(found.link, found.info);
  if (own !== undefined) return { side: "master", index: own };
  const { major, minor } = splitDevice(found.stat.rdev);
  // /dev/tty leads to the terminal that controlled whoever opened it
  if (found.link !== "/dev/tty" && (major !== SLAVE_MAJOR || found.link !== slavePath(minor))) return undefined;
  const index = withDuplicate(found, (fd) => deviceOf(fd));
  return index !== undefined && masters.has(index) ? { side: "slave", index } : undefined;
}

/** One that was hung up leads nowhere any more, though a new terminal may have its number. */
function deviceOf(fd: number): number | undefined {
  try {
    return slaveIndex(native().terminalDevice(fd));
  } catch {
    return undefined;
  }
}

function pairOf(index: number, context: DumpContext): Pty | undefined {
  const { masters, pairs } = knownOf(context);
  const master = masters.get(index);
  if (master === undefined) return undefined;
  if (!pairs.has(index)) pairs.set(index, readPair(index, master, context));
  return pairs.get(index);
}

interface Reading {
  state: MasterState;
  master: TerminalSide;
  /** undefined: nobody has it open */
  slave: TerminalSide | undefined;
  stat: StatRecord;
  /** TERMINAL_FLAG */
  flags: number | undefined;
  /** by DESCRIPTOR_WHAT */
  data: ReadonlyMap<number, Uint8Array>;
}

function readPair(index: number, master: Found, context: DumpContext): Pty | undefined {
  const about = { ...descriptorOf(master), object: PTY_OBJECT, path: slavePath(index) };
  const user = context.outsideTerminal(index);
  if (user !== undefined) {
    const why = `${user}, which is not in the tree, has it open too`;
    context.refuse({ ...about, code: "E_EXTERNAL", why, hint: "dump a tree that has all tasks that use it" });
    return undefined;
  }
  const reading = look(index, master, context);
  const why = typeof reading === "string" ? reading : reasonOf(reading, context);
  if (typeof reading === "object" && why === undefined) return ptyOf(index, reading);
  context.refuse({ ...about, why: why ?? "it cannot be read", hint: "let the program change that, or dump at another moment" });
  return undefined;
}

/** Or why it cannot be looked at. */
function look(index: number, master: Found, context: DumpContext): Reading | string {
  const slave = context.files.find((found) => {
    const side = sideOf(found, context);
    return side?.side === "slave" && side.index === index;
  });
  const [stat] = native().stats([slavePath(index)], true);
  const flags = master.untold.get(DESCRIPTOR_WHAT.TERMINAL);
  if (typeof stat !== "object" || splitDevice(stat.rdev).minor !== index || splitDevice(stat.rdev).major !== SLAVE_MAJOR) {
    return "its slave is not at this path";
  }
  return {
    ...withDuplicate(master, (fd) => ({ state: native().masterState(fd), master: native().terminalSide(fd) })),
    slave: slave === undefined ? undefined : withDuplicate(slave, (fd) => native().terminalSide(fd)),
    stat,
    flags: flags === undefined ? undefined : Number(flags),
    data: master.untoldData,
  };
}

/** Why it cannot be saved. */
function reasonOf({ state, master, slave, flags }: Reading, { running }: DumpContext): string | undefined {
  for (const [name, side] of [
    ["master", master],
    ["slave", slave],
  ] as const) {
    if (side !== undefined && side.discipline !== N_TTY)
      return `the ${name} has line discipline ${side.discipline}, of which only N_TTY is saved`;
  }
  if (state.termiosLocked) return "settings of it are locked (TIOCSLCKTRMIOS)";
  if (master.status) return "a change of its state has not been read at the master yet (packet mode)";
  if (flags === undefined) return running ? undefined : "the kernel module has not told what is in it";
  if ((flags & TERMINAL_FLAG.BUSY) !== 0) return "it holds something half done: more input than was processed, or an echo that waits";
  return undefined;
}

function ptyOf(index: number, { state, master, slave, stat, flags = 0, data }: Reading): Pty {
  const { termios, window, packet, locked, session, foreground } = state;
  return {
    index,
    uid: stat.uid,
    gid: stat.gid,
    mode: stat.mode & 0o7777,
    termios,
    window,
    packet,
    locked,
    exclusive: { master: master.exclusive, slave: slave?.exclusive === true },
    hungUp: master.hungUp,
    session,
    foreground,
    input: { data: data.get(DESCRIPTOR_WHAT.INPUT) ?? NOTHING, ends: offsetsOf(data.get(DESCRIPTOR_WHAT.ENDS) ?? NOTHING) },
    output: data.get(DESCRIPTOR_WHAT.OUTPUT) ?? NOTHING,
    stopped: (flags & TERMINAL_FLAG.FLOW_OFF) !== 0 ? "tcflow" : (flags & TERMINAL_FLAG.STOPPED) !== 0 ? "character" : "no",
  };
}

/** u16[] */
function offsetsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true));
}

// ---- restore ----

export const ptyRestore: RestoreHalf<PtyFile> = (files, context) => {
  const pairs = new Map<number, PtyFile[]>();
  for (const file of files) {
    const sides = pairs.get(file.pty.index);
    if (sides === undefined) pairs.set(file.pty.index, [file]);
    else sides.push(file);
  }
  // the lowest free number is what a new one gets
  for (const [, sides] of [...pairs].sort(([a], [b]) => a - b)) restorePair(sides, context);
};

function restorePair(sides: readonly PtyFile[], context: RestoreContext): void {
  const master = sides.find(({ side }) => side === "master");
  if (master === undefined) return; // validate.ts
  const slaves = sides.filter(({ side }) => side === "slave");
  const { pty } = master;
  const subject = { ...context.subject(master), object: PTY_OBJECT, path: slavePath(pty.index) };
  const user = lastingUser(pty.index);
  if (user !== undefined) {
    context.refuse({
      ...subject,
      code: "E_CONFLICT",
      why: `the number ${pty.index} is in use${user}`,
      hint: "end the program that has this terminal, or wait for it to end",
    });
  }
  const masterSlot = context.slot();
  const owner = BigInt(pty.uid) | (BigInt(pty.gid) << 32n);
  context.create({
    type: OP.PTY,
    slot: masterSlot,
    arg: pty.index,
    flags: openFlags(master),
    a: owner,
    b: BigInt(pty.mode),
    data: master.path,
    subject,
  });
  context.place(master, masterSlot);
  setOwner(master, masterSlot, context);
  const set = (what: number, rest: { slot?: number; a?: bigint; data?: Uint8Array }): void =>
    context.create({ type: OP.PTY_SET, slot: masterSlot, arg: what, subject, ...rest });
  set(PTY.WINDOW, { data: encodeWindow(pty.window) });
  const users = context.tasks.filter(({ terminal }) => terminal === pty.index);
  const slot =
    slaves.length > 0 || pty.hungUp || users.length > 0 || holdsAnything(pty) ? openSlave(masterSlot, subject, context) : undefined;
  for (const slave of slaves) {
    const own = context.slot();
    context.create({ type: OP.PTY_SLAVE, slot: own, arg: masterSlot, flags: openFlags(slave), subject: context.subject(slave) });
    context.place(slave, own);
    setOwner(slave, own, context);
  }
  if (slot !== undefined) fill(pty, subject, context, (what, data) => set(what, { slot, data }));
  set(PTY.TERMIOS, { data: encodeTermios(pty.termios) });
  if (slot !== undefined && pty.exclusive.slave) set(PTY.EXCLUSIVE, { slot });
  if (pty.exclusive.master) set(PTY.EXCLUSIVE, {});
  // after the settings, of whose changes it would tell
  if (pty.packet) set(PTY.PACKET, { a: 1n });
  if (pty.locked) set(PTY.LOCK, { a: 1n });
  if (slot !== undefined) control(pty, slot, users, context);
}

function holdsAnything({ input, output, stopped }: Pty): boolean {
  return input.data.length > 0 || output.length > 0 || stopped !== "no";
}

/** What has not been read, under settings that let it pass as it is. */
function fill(pty: Pty, subject: Subject, context: RestoreContext, set: (what: number, data: Uint8Array) => void): void {
  if (!holdsAnything(pty)) return;
  const typed = [...typing(pty), ...(pty.stopped === "character" ? [stopping(pty.termios)] : [])];
  if (typed.length > 0 && !hasCapability(CAP.SYS_ADMIN)) {
    context.refuse({
      ...subject,
      code: "E_PERMISSION",
      why: "it has input that was not read, which takes CAP_SYS_ADMIN to put there",
      hint: "run crctl restore as root",
    });
  }
  set(PTY.TERMIOS, encodeTermios(passing(pty.termios)));
  if (pty.output.length > 0) set(PTY.OUTPUT, pty.output);
  for (const { settings, bytes } of typed) {
    set(PTY.TERMIOS, encodeTermios(settings));
    set(PTY.INPUT, bytes);
  }
  if (pty.stopped === "tcflow") set(PTY.STOP, NOTHING);
}

/** One that all tasks inherit and none keeps. */
function openSlave(master: number, subject: Subject, context: RestoreContext): number {
  const slot = context.slot();
  context.create({ type: OP.PTY_SLAVE, slot, arg: master, flags: O_RDWR | O_NONBLOCK, subject });
  return slot;
}

/** The session's leader takes it as soon as it leads one: its children are born with it. */
function control(pty: Pty, slot: number, users: readonly Task[], context: RestoreContext): void {
  const pidOf = (task: Task): number => task.pids[0] ?? 0;
  const leader = users.find((task) => task.sid === pidOf(task));
  if (leader === undefined) return;
  const about = (task: Task): Subject => ({
    pid: pidOf(task),
    comm: task.comm,
    object: "controlling terminal",
    path: slavePath(pty.index),
  });
  context.asLeader(pidOf(leader), { type: OP.TTY_CONTROL, slot, subject: about(leader) });
  const members = context.tasks.filter(({ sid }) => sid === leader.sid);
  if (pty.foreground !== leader.pgid) {
    if (members.some(({ pgid }) => pgid === pty.foreground)) {
      context.withGroups(pidOf(leader), { type: OP.TTY_FOREGROUND, slot, arg: pty.foreground, subject: about(leader) });
    } else {
      context.note(
        `${slavePath(pty.index)}: its foreground group ${pty.foreground} has ended; that of task ${pidOf(leader)} takes its place`,
      );
    }
  }
  for (const task of members) {
    if (task.terminal === undefined && task.state !== "zombie") {
      context.inTask(pidOf(task), { type: OP.TTY_LEAVE, slot, subject: about(task) });
    }
  }
}

/** Another restore may have taken the number for a moment, on its way to a higher one: see terminal.c. Undefined: nobody has it. */
function lastingUser(index: number): string | undefined {
  const path = slavePath(index);
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = PATIENCE_MS / PAUSE_MS; tries > 0 && existsSync(path); tries--) {
    const user = userOf(index);
    if (user !== "") return user;
    Atomics.wait(clock, 0, 0, PAUSE_MS);
  }
  return existsSync(path) ? "" : undefined;
}

/** " by task 12 (tmux)", if it can be seen. */
function userOf(index: number): string {
  const [user] = native()
    .holders(native().listNumbers("/proc"), [slavePath(index)])
    .filter(({ link }) => link === slavePath(index));
  if (user === undefined) return "";
  const [text] = native().readTexts([`/proc/${user.pid}/stat`]);
  return typeof text === "string" ? ` by task ${user.pid} (${parseStat(text).comm})` : "";
}
