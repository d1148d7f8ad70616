/** What is typed so that unread input is there again. */

import { expect } from "chai";

import type { Pty, Termios } from "../../src/image/schema.js";
import { encodeTermios, passing, stopping, typing } from "../../src/kinds/termios.js";

const ICANON = 0o2;
const ECHO = 0o10;
const EXTPROC = 0o200000;

function termios(lflag: number): Termios {
  return {
    iflag: 0o12400,
    oflag: 5,
    cflag: 0o277,
    lflag,
    line: 0,
    characters: Uint8Array.from({ length: 19 }, (_, i) => i + 1),
    inputSpeed: 38400,
    outputSpeed: 9600,
  };
}

function typed(text: string, ends: number[], lflag = ICANON | ECHO): string[] {
  const pty: Pick<Pty, "termios" | "input"> = { termios: termios(lflag), input: { data: Buffer.from(text, "latin1"), ends } };
  return typing(pty).map(({ settings, bytes }) => {
    const special = [...settings.characters].flatMap((byte, i) => (byte === 0 || i === 6 ? [] : [`${i}=${byte}`]));
    return `${special.join(" ")}: ${Buffer.from(bytes).toString("latin1")}`;
  });
}

describe("terminals: settings", () => {
  it("struct termios2", () => {
    const bytes = Buffer.from(encodeTermios(termios(ICANON)));
    expect(bytes).to.have.lengthOf(44);
    expect(bytes.readUInt32LE(12)).to.equal(ICANON);
    expect([...bytes.subarray(17, 36)]).to.deep.equal([...termios(0).characters]);
    expect(bytes.readUInt32LE(36)).to.equal(38400);
    expect(bytes.readUInt32LE(40)).to.equal(9600);
  });

  it("lines and an unfinished one are typed as they are", () => {
    expect(typed("one\ntwo\nthr", [3, 7])).to.deep.equal(["15=22: one\ntwo\nthr"]);
    expect(typed("", [])).to.deep.equal([]);
  });

  it("bytes that were quoted are quoted again", () => {
    expect(typed("a\nb\x16\n", [4])).to.deep.equal(["15=22: a\x16\nb\x16\x16\n"]);
  });

  it("an end of file and other ends of lines are typed as such", () => {
    expect(typed("ab\0c\0d;", [2, 6])).to.deep.equal(["15=22: ab", "4=4: \x04", "15=22: c\0d", "11=59: ;"]);
  });

  it("without lines nothing is special", () => {
    expect(typed("a\nb\x16\0", [], ECHO)).to.deep.equal([": a\nb\x16\0"]);
    expect(typed("a\nb", [1], ICANON | EXTPROC)).to.deep.equal([": a\nb"]);
  });

  it("what makes the kernel forget lines does not change", () => {
    for (const lflag of [0, ICANON, EXTPROC, ICANON | EXTPROC]) {
      expect(passing(termios(lflag | ECHO)).lflag & (ICANON | EXTPROC | ECHO)).to.equal(lflag);
      expect(stopping(termios(lflag)).settings.lflag & (ICANON | EXTPROC)).to.equal(lflag);
    }
  });
});
