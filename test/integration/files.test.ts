/** Descriptors: files, directories, devices, pipes, FIFOs; and files that change while their tree is away. */

import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { describeOutcome, must, mustFail } from "./lib/crctl.js";
import { remember } from "./lib/leftovers.js";
import { newDirectory } from "./lib/directories.js";
import { Program } from "./lib/program.js";
import { describeRows, withJournal } from "./lib/scenario.js";
import path from "node:path";

describeRows("files", [
  { program: "file_position" },
  { program: "file_shared" },
  { program: "proc_files" },
  { program: "file_deleted" },
  { program: "directory" },
  { program: "o_path" },
  { program: "descriptors" },
  { program: "locks" },
  { program: "async" },
]);

describeRows("pipes", [{ program: "pipe_data" }, { program: "pipe_tree" }, { program: "fifo" }]);

describe("files that change while their tree is away", () => {
  /** Dumps a program that holds a file of 10,000 bytes at position 100; `change` it; then `then`. */
  async function afterChange(
    { size, mode = "r" }: { size: number; mode?: string },
    change: (file: string) => void,
    then: (program: Program, image: string, file: string) => Promise<void>,
  ): Promise<void> {
    const directory = newDirectory();
    const file = path.join(directory, "held");
    writeFileSync(file, "x".repeat(10_000));
    await withJournal(await Program.start("hold_file", [file, String(size), mode], { directory }), async (program) => {
      const image = program.newImage();
      await program.dump(image);
      await program.gone([program.pid]);
      change(file);
      await then(program, image, file);
    });
  }

  /** It comes back, and somebody says what is different. */
  async function restoredAndTold(program: Program, args: readonly string[], file: string, what: RegExp): Promise<void> {
    const outcome = await must(["restore", "-d", ...args]);
    remember(program.pid);
    expect(outcome.stderr, describeOutcome(outcome)).to.include(file).and.to.match(what);
    await program.finish();
  }

  it("a file that grew is told", async () => {
    await afterChange(
      { size: 15_000, mode: "a" },
      (file) => appendFileSync(file, "y".repeat(5_000)),
      (program, image, file) => restoredAndTold(program, ["-D", image], file, /grew from 10000 to 15000/),
    );
  });

  it("a file that shrank is told", async () => {
    await afterChange(
      { size: 500, mode: "rw" },
      (file) => truncateSync(file, 500),
      (program, image, file) => restoredAndTold(program, ["-D", image], file, /shrank from 10000 to 500/),
    );
  });

  it("a file that shrank below its position is refused, and taken as it is with --force", async () => {
    await afterChange(
      { size: 50, mode: "rw" },
      (file) => truncateSync(file, 50),
      async (program, image, file) => {
        const error = await mustFail("E_FILE_CHANGED", 6, ["restore", "-D", image, "-d"]);
        expect(JSON.stringify(error)).to.include(file);
        await restoredAndTold(program, ["-D", image, "--force"], file, /shrank/);
      },
    );
  });

  it("a file that another has replaced is refused, and taken as it is with --force", async () => {
    await afterChange(
      { size: -1 },
      (file) => {
        copyFileSync(file, `${file}.new`);
        renameSync(`${file}.new`, file);
      },
      async (program, image, file) => {
        const error = await mustFail("E_FILE_CHANGED", 6, ["restore", "-D", image, "-d"]);
        expect(JSON.stringify(error)).to.include(file);
        await restoredAndTold(program, ["-D", image, "--force"], file, /replaced/);
      },
    );
  });

  it("a missing file is named before anything is started", async () => {
    await afterChange(
      { size: -1 },
      (file) => rmSync(file),
      async (program, image, file) => {
        const error = await mustFail("E_FILE_MISSING", 6, ["restore", "-D", image, "-d"]);
        expect(JSON.stringify(error)).to.include(file);
        await program.gone([program.pid]);
        // and once something is there again, it can be taken
        writeFileSync(file, "x".repeat(10_000));
        await program.restore(image, ["--force"]);
        await program.finish();
      },
    );
  });

  it("a directory in place of a file is refused", async () => {
    await afterChange(
      { size: -1 },
      (file) => {
        rmSync(file);
        mkdirSync(file);
      },
      async (program, image, file) => {
        const error = await mustFail("E_FILE_CHANGED", 6, ["restore", "-D", image, "-d"]);
        expect(JSON.stringify(error)).to.include(file);
        await program.gone([program.pid]);
      },
    );
  });

  it("a touched file whose content and size are the same is no obstacle", async () => {
    await afterChange(
      { size: 10_000 },
      (file) => {
        utimesSync(file, new Date(0), new Date(0));
        chmodSync(file, 0o600);
        expect(statSync(file).size).to.equal(10_000);
      },
      async (program, image) => {
        await program.restore(image);
        await program.finish();
      },
    );
  });
});

describe("locks that somebody else takes while their tree is away", () => {
  for (const [what, call] of [
    ["flock", "fcntl.flock(f, fcntl.LOCK_EX)"],
    ["posix", "fcntl.lockf(f, fcntl.LOCK_EX, 1, 50)"],
    ["ofd", "fcntl.lockf(f, fcntl.LOCK_EX, 1, 15)"],
  ] as const) {
    it(what, async () => {
      await withJournal(await Program.start("locks"), async (program) => {
        const image = program.newImage();
        await program.dump(image);
        await program.gone([program.pid]);
        const file = program.path(`status.${what}`);
        const script = `import fcntl, sys\nf = open(${JSON.stringify(file)}, "r+")\n${call}\nprint("locked", flush=True)\nsys.stdin.read()`;
        const other = spawn("python3", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
        await once(other.stdout, "data");
        const error = await mustFail("E_CONFLICT", 6, ["restore", "-d", "-D", image]);
        expect(error.path).to.equal(file);
        expect(error.object).to.equal("file lock");
        expect(error.message).to.include("somebody else has locked the file");
        other.stdin.end();
        await once(other, "exit");
        await must(["restore", "-d", "-D", image]);
        remember(program.pid);
        await program.finish();
      });
    });
  }
});
