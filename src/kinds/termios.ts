/** Settings of terminals as the kernel takes them. */

import { Struct } from "../image/struct.js";
import type { Pty, Termios } from "../image/schema.js";

/** Where masters are opened; both lead to the file system at /dev/pts. */
export const MASTER_LINKS: readonly string[] = ["/dev/ptmx", "/dev/pts/ptmx"];

/** NCCS of asm/termbits.h */
export const CHARACTERS = 19;

/** struct termios2 of asm/termbits.h */
const Termios2 = new Struct({
  c_iflag: "u32",
  c_oflag: "u32",
  c_cflag: "u32",
  c_lflag: "u32",
  c_line: "u8",
  c_cc: ["u8", CHARACTERS],
  c_ispeed: "u32",
  c_ospeed: "u32",
});

export function encodeTermios(termios: Termios): Uint8Array {
  const bytes = new Uint8Array(Termios2.size);
  Termios2.write(new DataView(bytes.buffer), 0, {
    c_iflag: termios.iflag,
    c_oflag: termios.oflag,
    c_cflag: termios.cflag,
    c_lflag: termios.lflag,
    c_line: termios.line,
    c_cc: [...termios.characters],
    c_ispeed: termios.inputSpeed,
    c_ospeed: termios.outputSpeed,
  });
  return bytes;
}

/** struct winsize of asm-generic/termios.h */
export function encodeWindow({ rows, columns, width, height }: Pty["window"]): Uint8Array {
  return new Uint8Array(Uint16Array.of(rows, columns, width, height).buffer);
}

/** Of c_lflag and c_iflag. A change of the first two makes the kernel forget where lines end. */
const ICANON = 0o2;
const EXTPROC = 0o200000;
const IEXTEN = 0o100000;
const IXON = 0o2000;

/** Indices of c_cc. */
const VEOF = 4;
const VMIN = 6;
const VSTOP = 9;
const VEOL = 11;
const VLNEXT = 15;

/** Whatever they are while input is put back: they need not be those under which it came. */
const EOF = 0x04;
const STOP = 0x13;
const LNEXT = 0x16;
const NEWLINE = 0x0a;

function characters(some: Readonly<Record<number, number>>): Uint8Array {
  const bytes = new Uint8Array(CHARACTERS);
  for (const [index, byte] of Object.entries({ [VMIN]: 1, ...some })) bytes[Number(index)] = byte;
  return bytes;
}

/** Settings under which all that is written arrives as it is, and nothing typed is echoed or taken for a signal. */
export function passing(termios: Termios, some: Readonly<Record<number, number>> = {}): Termios {
  const { lflag } = termios;
  return {
    ...termios,
    iflag: 0,
    oflag: 0,
    lflag: (lflag & (ICANON | EXTPROC)) | (isCanonical(termios) ? IEXTEN : 0),
    characters: characters(some),
  };
}

function isCanonical({ lflag }: Termios): boolean {
  return (lflag & ICANON) !== 0 && (lflag & EXTPROC) === 0;
}

/** Something to type under settings of its own. */
export interface Typing {
  settings: Termios;
  bytes: Uint8Array;
}

/** What to type so that the unread input is there again, with its lines and their ends. */
export function typing({ termios, input }: Pick<Pty, "termios" | "input">): Typing[] {
  if (input.data.length === 0) return [];
  if (!isCanonical(termios)) return [{ settings: passing(termios), bytes: input.data }];
  const ends = new Set(input.ends);
  const steps: Typing[] = [];
  let plain: number[] = [];
  const flush = (): void => {
    if (plain.length > 0) steps.push({ settings: passing(termios, { [VLNEXT]: LNEXT }), bytes: Uint8Array.from(plain) });
    plain = [];
  };
  input.data.forEach((byte, i) => {
    if (!ends.has(i)) {
      // one that was quoted when it was typed
      if (byte === NEWLINE || byte === LNEXT) plain.push(LNEXT);
      plain.push(byte);
      return;
    }
    if (byte === NEWLINE) {
      plain.push(byte);
      return;
    }
    flush();
    // the mark of an end of file, or whatever else ended a line
    steps.push(
      byte === 0
        ? { settings: passing(termios, { [VEOF]: EOF }), bytes: Uint8Array.of(EOF) }
        : { settings: passing(termios, { [VEOL]: byte }), bytes: Uint8Array.of(byte) },
    );
  });
  flush();
  return steps;
}

/** A stop character. */
export function stopping(termios: Termios): Typing {
  return { settings: { ...passing(termios, { [VSTOP]: STOP }), iflag: IXON }, bytes: Uint8Array.of(STOP) };
}
