/** System V shared memory whose segments meet others: of outsiders, those that stayed in the kernel, those of a restore that fails. */

import { expect } from "chai";
import { describeOutcome, must, mustFail, type Outcome } from "./lib/crctl.js";
import { faulty, naming } from "./lib/faults.js";
import { withHelpers } from "./lib/helper.js";
import { Program } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { segment, segments } from "./lib/segments.js";
import { until } from "./lib/wait.js";

const KEY = 0x43525443;
const SIZE = 3 * 4096;
/** in the page that is a hole in the image */
const HOLE = "4096";
const TEXT = "somebody's own";

const holder = (): Promise<Program> => Program.start("sysv_hold", [KEY.toString(16)]);

/** Somebody who has the segment attached until he is let go; twice. */
const withAttached = (id: number, act: (pid: number) => Promise<void>): Promise<void> => withHelpers("segment", ["attach", id], act);

describe("System V shared memory", () => {
  // what a test that failed has left
  afterEach(async () => {
    for (const { id, key } of segments()) if (key === KEY) await segment("remove", id);
  });

  /** Dumps a program that has a segment attached, which stays; `act`; then the program must come back. */
  async function away(act: (image: string, id: number) => Promise<void>): Promise<void> {
    await withJournal(await holder(), async (program) => {
      const image = program.newImage();
      const id = segments().find(({ key }) => key === KEY)?.id ?? -1;
      await program.dump(image);
      await program.gone([program.pid]);
      expect(segments().find((found) => found.id === id)).to.deep.equal({ key: KEY, id, attached: 0 });
      await act(image, id);
      await program.restore(image);
      expect(segments().find((found) => found.id === id)).to.deep.equal({ key: KEY, id, attached: 1 });
      await program.finish();
      expect(segments().find((found) => found.id === id)).to.equal(undefined);
    });
  }

  const refused = (image: string): Promise<unknown> => mustFail("E_CONFLICT", 6, ["restore", "-d", "-D", image]);
  const restore = (fault: string, image: string): Promise<Outcome> => faulty(fault, ["restore", "-d", "-D", image, "--json"]);

  it("a segment that somebody else has attached", async () => {
    await withJournal(await holder(), async (program) => {
      const id = segments().find(({ key }) => key === KEY)?.id ?? -1;
      await withAttached(id, async (pid) => {
        const error = await mustFail("E_EXTERNAL", 4, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
        expect(JSON.stringify(error)).to.match(new RegExp(`segment ${id} .*task ${pid} \\(segment\\)`));
      });
      await program.verify();
      await program.cycle();
      await program.finish();
    });
  });

  it("one that stayed gets the contents of the image", async () => {
    await away(async (image, id) => {
      expect((await must(["show", image])).stdout).to.include(`shared System V segment ${id} (key 0x${KEY.toString(16)}), 12`);
      await segment("write", id, HOLE, TEXT);
      const { stderr } = await must(["restore", "-D", image, "--check"]);
      expect(stderr).to.match(/attached by nobody/);
      // only the check, which has altered nothing
      expect(await segment("read", id, HOLE, TEXT.length)).to.equal(TEXT);
    });
  });

  it("another one has its key", async () => {
    await away(async (image, id) => {
      await segment("remove", id);
      // the next one would get the place of the one before
      const other = Number(await segment("make", KEY.toString(16), SIZE, id + 1));
      await segment("write", other, 0, TEXT);
      await refused(image);
      expect(segments().find((found) => found.id === other)).to.deep.equal({ key: KEY, id: other, attached: 0 });
      expect(await segment("read", other, 0, TEXT.length)).to.equal(TEXT);
      await segment("remove", other);
    });
  });

  it("another one has its id", async () => {
    await away(async (image, id) => {
      for (const [key, size] of [
        [KEY + 1, SIZE],
        [KEY, SIZE + 1],
      ] as const) {
        await segment("remove", id);
        expect(await segment("make", key.toString(16), size, id)).to.equal(String(id));
        await segment("write", id, 0, TEXT);
        await refused(image);
        expect(await segment("read", id, 0, TEXT.length)).to.equal(TEXT);
      }
      await segment("remove", id);
    });
  });

  it("another one has its place in the kernel's table", async () => {
    await away(async (image, id) => {
      await segment("remove", id);
      const other = id + 32768;
      expect(await segment("make", "0", SIZE, other)).to.equal(String(other));
      await refused(image);
      expect(segments().map((found) => found.id))
        .to.include(other)
        .and.not.to.include(id);
      expect(segments().filter(({ key }) => key === KEY)).to.deep.equal([]);
      await segment("remove", other);
    });
  });

  it("one that stayed, and somebody has attached it", async () => {
    await away(async (image, id) => {
      await segment("write", id, HOLE, TEXT);
      await withAttached(id, async () => {
        await refused(image);
      });
      expect(await segment("read", id, HOLE, TEXT.length)).to.equal(TEXT);
    });
  });

  it("a restore that fails leaves one that stayed as it was", async () => {
    await away(async (image, id) => {
      await segment("write", id, HOLE, TEXT);
      for (const fault of [
        "executor.op.segment",
        "executor.op.exec",
        "executor.loaded",
        "executor.op.segment-fill",
        "executor.op.segment=die",
        "executor.loaded=die",
      ]) {
        await naming(fault, async () => {
          const outcome = await restore(fault, image);
          expect(outcome.status, describeOutcome(outcome)).to.equal(6);
          await until("it to be let go", () => segments().find((found) => found.id === id)?.attached === 0);
          expect(await segment("read", id, HOLE, TEXT.length)).to.equal(TEXT);
        });
      }
    });
  });

  it("a restore that fails takes away what it has made", async () => {
    await away(async (image, id) => {
      await segment("remove", id);
      for (const fault of [
        "executor.op.segment-fill",
        "executor.op.exec",
        "executor.loaded",
        "executor.op.segment-set",
        "executor.gate",
        "executor.op.segment-fill=die",
        "executor.loaded=die",
        "executor.gate=die",
      ]) {
        await naming(fault, async () => {
          const outcome = await restore(fault, image);
          expect(outcome.status, describeOutcome(outcome)).to.equal(6);
          await until("it to be gone", () => segments().every((found) => found.id !== id && found.key !== KEY));
        });
      }
      // where crctl and its executor are killed together nobody does: the next restore takes it over
      const outcome = await restore("executor.loaded=kill", image);
      expect(outcome.signal, describeOutcome(outcome)).to.equal("SIGKILL");
      await until("it to be let go", () => segments().find((found) => found.id === id)?.attached === 0);
    });
  });
});
