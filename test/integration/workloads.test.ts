/** Programs that were not written for this: they do not notice, and come to the right end. */

import { expect } from "chai";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "./lib/crctl.js";
import { newDirectory } from "./lib/directories.js";
import { SCRIPTS } from "./lib/paths.js";
import { Tree } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

const GATE = path.join(SCRIPTS, "gate");

/** A shell command that writes to the file "result" in its directory, waits at a gate "go", and ends with a line "end". */
async function atTheGate(script: string, directory: string, checkResult: (result: string[]) => void | Promise<void>): Promise<void> {
  const tree = await Tree.command("/bin/bash", ["-c", `${script}\necho end >>result`], { directory });
  await withJournal(tree, async () => {
    await until(
      () => `it to wait at the gate; its output:\n${tree.log()}`,
      () => existsSync(tree.path("go.waiting")),
    );
    await passes(tree, checkResult);
  });
}

/** One of the scripts, which writes lines to its first argument until its second exists. */
async function whileItWorks(interpreter: string, script: string, checkResult: (lines: string[]) => void): Promise<void> {
  const directory = newDirectory();
  const tree = await Tree.command(interpreter, [path.join(SCRIPTS, script), "result", "go"], { directory });
  await withJournal(tree, async () => {
    await until(
      "its first lines",
      () => existsSync(tree.path("result")) && readFileSync(tree.path("result"), "utf8").split("\n").length > 3,
    );
    await passes(tree, checkResult, false);
  });
}

/** `still`: it waits for something, so that nothing of it may look different afterwards. */
async function passes(tree: Tree, checkResult: (result: string[]) => void | Promise<void>, still = true): Promise<void> {
  for (let time = 0; time < 2; time++) {
    if (still) {
      await tree.settled();
      await tree.cycle();
    } else {
      const image = tree.newImage();
      await tree.dump(image);
      await tree.gone([tree.pid]);
      await tree.restore(image);
    }
  }
  writeFileSync(tree.path("go"), "\n");
  await tree.gone([tree.pid]);
  const result = readFileSync(tree.path("result"), "utf8").trimEnd().split("\n");
  if (still) expect(result.pop(), tree.log()).to.equal("end");
  await checkResult(result);
}

/** Of what a shell command prints, the first word. */
async function firstWord(command: string, cwd: string): Promise<string> {
  const { stdout, stderr } = await run("/bin/bash", ["-c", command], { cwd });
  expect(stderr).to.equal("");
  return stdout.split(" ", 1)[0] ?? "";
}

/** Text that compresses, and tells its place. */
function numbers(count: number): string {
  return Array.from({ length: count }, (_, i) => `line ${i} of ${count}, ${(i * 7919) % 10007}\n`).join("");
}

describe("workloads", () => {
  it("tar | gzip | sha256sum, with data in flight", async () => {
    const directory = newDirectory();
    mkdirSync(path.join(directory, "in"));
    for (const name of ["a", "b", "c"]) writeFileSync(path.join(directory, "in", name), numbers(9000));
    const tar = "tar --sort=name --mtime=@0 -cf - in";
    const expected = await firstWord(`${tar} | gzip -n | sha256sum`, directory);
    await atTheGate(`${tar} | ${GATE} 300000 go | gzip -n | sha256sum >result`, directory, ([line]) => {
      expect(line?.split(" ", 1)[0]).to.equal(expected);
    });
  });

  it("sort in the middle of its input, with a temporary file and a small buffer", async () => {
    const directory = newDirectory();
    writeFileSync(path.join(directory, "in"), numbers(20_000));
    const expected = await firstWord("LC_ALL=C sort -k5n,5 -k2n,2 in | sha256sum", directory);
    await atTheGate(`${GATE} 400000 go <in | LC_ALL=C sort -S 100k -T . -k5n,5 -k2n,2 | sha256sum >result`, directory, ([line]) => {
      expect(line?.split(" ", 1)[0]).to.equal(expected);
    });
  });

  it("make with gcc in the middle of a source file", async () => {
    const directory = newDirectory();
    writeFileSync(path.join(directory, "first.c"), "int first(void)\n{\n\treturn 40;\n}\n");
    const source = [
      "#include <stdio.h>",
      "int first(void);",
      ...Array.from({ length: 400 }, (_, i) => `static int f${i}(void) { return ${i}; }`),
      'int main(void) { return printf("%d\\n", first() + f1() + f2() - 1) < 0; }',
    ];
    writeFileSync(path.join(directory, "second.c"), `${source.join("\n")}\n`);
    writeFileSync(
      path.join(directory, "Makefile"),
      [
        "program: first.o second.o",
        "\t$(CC) -o $@ $^",
        "second.o: second.c",
        `\t${GATE} 9000 go <second.c | $(CC) -O1 -w -x c -c -o $@ -`,
        "",
      ].join("\n"),
    );
    await atTheGate("make -j2 && ./program >result", directory, (result) => {
      expect(result).to.deep.equal(["42"]);
    });
  });

  it("sqlite3 between two statements", async () => {
    const directory = newDirectory();
    const statements = [
      "create table t(n integer primary key, text);",
      "with recursive c(n) as (select 1 union all select n + 1 from c where n < 2000) insert into t select n, hex(n) from c;",
      "create temp table u as select n * 2 as m from t;",
      ".print -- here it waits",
      "insert into t select m + 2000, 'later' from u;",
      "select count(*), sum(n), sum(m) from t left join u on m = n;",
    ];
    writeFileSync(path.join(directory, "in"), `${statements.join("\n")}\n`);
    const here = statements.slice(0, 4).join("\n").length + 1;
    await atTheGate(`${GATE} ${here} go <in | sqlite3 data.db >result`, directory, async (result) => {
      expect(result).to.deep.equal(["-- here it waits", "4000|10003000|4002000"]);
      const { stdout } = await run("sqlite3", ["data.db", "pragma integrity_check; select count(*) from t"], { cwd: directory });
      expect(stdout).to.equal("ok\n4000\n");
    });
  });

  it("bash: subshells, a trap, an array, a descriptor", async () => {
    await whileItWorks("/bin/bash", "count.sh", (lines) => {
      const last = lines.pop();
      lines.forEach((line, i) => expect(line).to.equal(String(i + 1)));
      expect(last).to.equal(`sum ${(lines.length * (lines.length + 1)) / 2} trapped yes`);
    });
  });

  it("python3 with threads and a queue", async () => {
    await whileItWorks("/usr/bin/python3", "threads.py", (lines) => {
      expect(lines.pop()).to.equal("good");
      lines.forEach((line, i) => expect(line).to.equal(String((i + 1) * 20)));
    });
  });

  it("bash in a terminal of python3's, with job control", async () => {
    await whileItWorks("/usr/bin/python3", "terminal.py", (lines) => {
      expect(lines.pop()).to.equal("good");
      lines.forEach((line, i) => expect(line).to.equal(String(i + 1)));
    });
  });

  it("perl: a pipe from a child, a hash, a closure", async () => {
    await whileItWorks("/usr/bin/perl", "words.pl", (lines) => {
      const counted = lines.filter((line) => line.startsWith("word"));
      expect(counted).to.have.lengthOf(7);
      expect(lines).to.include("good");
      lines.filter((line) => /^\d+$/.test(line)).forEach((line, i) => expect(line).to.equal(String(i + 1)));
    });
  });
});
