/** POSIX message queues: what an image may have, and which one is taken for the same. */

import { expect } from "chai";

import { NT, MqueueNote, Notify, type MqueueNoteRecord } from "../../src/image/layout.js";
import type { MqueueFile, OpenFile, PosixQueue, Task } from "../../src/image/schema.js";
import { crossCheckMqueues } from "../../src/image/validate-mqueues.js";
import { openFiles } from "../../src/image/validate.js";
import { isTheSame, isWhatItTells, notificationsOf } from "../../src/kinds/mqueue.js";
import type { MqueueState, StatRecord } from "../../src/native.js";

const QUEUE: PosixQueue = {
  name: "a queue",
  deleted: false,
  dev: 18n,
  mode: 0o600,
  uid: 0,
  gid: 0,
  mtimeNs: 1n,
  maxMessages: 10n,
  messageSize: 8n,
  messages: [
    { priority: 3, data: Buffer.from("first") },
    { priority: 1, data: Buffer.from("") },
  ],
};

const FILE: MqueueFile = { id: 0, kind: "mqueue", flags: 2, ino: 7n, position: 0n, queue: QUEUE };
const OTHER: MqueueFile = { id: 1, kind: "mqueue", flags: 0, ino: 7n, position: 0n };

function task(pid: number, ...files: number[]): Task {
  return {
    pids: [pid],
    state: "running",
    descriptors: files.map((file, i) => ({ fd: 3 + i, file, cloexec: true })),
  } as unknown as Task;
}

function isImage(...files: OpenFile[]): boolean {
  try {
    crossCheckMqueues(openFiles(files, ""), [task(5, 0), task(6)], (condition, what) => {
      if (!condition) throw new Error(what);
    });
    return true;
  } catch {
    return false;
  }
}

const withQueue = (fields: Partial<PosixQueue>): MqueueFile => ({ ...FILE, queue: { ...QUEUE, ...fields } });

describe("POSIX message queues", () => {
  it("as an image may have them", () => {
    const notify = { pid: 5, method: "signal", signal: 35, value: 1n } as const;
    expect(isImage(FILE, OTHER)).to.equal(true);
    expect(isImage(withQueue({ notify }))).to.equal(true);
    expect(isImage(withQueue({ deleted: true }), { ...FILE, id: 1, ino: 8n })).to.equal(true);
    const impossible: [string, OpenFile[]][] = [
      ["not described", [{ ...OTHER, id: 0 }]],
      ["described twice", [FILE, { ...FILE, id: 1 }]],
      ["two of a name", [FILE, { ...FILE, id: 1, ino: 8n }]],
      ["without a name", [withQueue({ name: "" })]],
      ["a name with a slash", [withQueue({ name: "a/b" })]],
      ["a name that ends", [withQueue({ name: "a\0b" })]],
      ["the directory", [withQueue({ name: ".." })]],
      ["a name that is too long", [withQueue({ name: "a".repeat(256) })]],
      ["no room", [withQueue({ maxMessages: 0n, messages: [] })]],
      ["too much room", [withQueue({ maxMessages: 65537n })]],
      ["more than it has room for", [withQueue({ maxMessages: 1n })]],
      ["a message that is too large", [withQueue({ messageSize: 4n })]],
      ["a priority that there is not", [withQueue({ messages: [{ priority: 32768, data: Buffer.from("") }] })]],
      ["a mode that there is not", [withQueue({ mode: 0o10000 })]],
      ["a position before its begin", [{ ...FILE, position: -1n }]],
      ["to notify nobody", [withQueue({ notify: { ...notify, pid: 9 } })]],
      ["to notify who does not have it", [withQueue({ notify: { ...notify, pid: 6 } })]],
      ["an impossible signal", [withQueue({ notify: { ...notify, signal: 65 } })]],
    ];
    for (const [what, files] of impossible) expect(isImage(...files), what).to.equal(false);
  });

  it("are what they tell of themselves", () => {
    const head = { max_messages: 10n, message_size: 8n, bytes: 5n, messages: 2 } as MqueueNoteRecord;
    const state: MqueueState = { maxMessages: 10n, messageSize: 8n, messages: 2, bytes: 5n };
    const { messages } = QUEUE;
    expect(isWhatItTells(head, messages, state)).to.equal(true);
    expect(isWhatItTells(head, messages, { maxMessages: 10n, messageSize: 8n, messages: 2 })).to.equal(true);
    expect(isWhatItTells(head, messages, { ...state, bytes: 6n })).to.equal(false);
    expect(isWhatItTells(head, messages, { ...state, messages: 3 })).to.equal(false);
    expect(isWhatItTells({ ...head, bytes: 6n }, messages, { ...state, bytes: 6n })).to.equal(false);
    expect(isWhatItTells(head, [...messages].reverse(), state)).to.equal(false);
    expect(isWhatItTells({ ...head, max_messages: 11n }, messages, state)).to.equal(false);
  });

  it("are the same by inode and limits", () => {
    const stat = { dev: 18n, ino: 7n } as StatRecord;
    const state: MqueueState = { maxMessages: 10n, messageSize: 8n, messages: 0 };
    expect(isTheSame(QUEUE, 7n, { stat, state })).to.equal(true);
    expect(isTheSame(QUEUE, 7n, { stat: { ...stat, ino: 8n }, state })).to.equal(false);
    expect(isTheSame(QUEUE, 7n, { stat: { ...stat, dev: 19n }, state })).to.equal(false);
    expect(isTheSame(QUEUE, 7n, { stat, state: { ...state, messageSize: 9n } })).to.equal(false);
  });

  it("notify the task that has asked, by a descriptor of its own", () => {
    const files = [withQueue({ notify: { pid: 5, method: "none", signal: 0, value: 0n } }), OTHER];
    expect(notificationsOf(5, task(5, 1).descriptors, files)).to.deep.equal([{ fd: 3, notify: 1, signal: 0, value: 0n }]);
    expect(notificationsOf(6, task(6, 1).descriptors, files)).to.deep.equal([]);
    expect([NT.NOTIFY & 0xffff, Notify.size, MqueueNote.size]).to.deep.equal([37, 24, 56]);
  });
});
