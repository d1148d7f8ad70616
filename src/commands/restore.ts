import { fstatSync } from "node:fs";
import { resolve } from "node:path";

import { CrctlError } from "../errors.js";
import type { RestoreOptions, RestoreResult } from "../restore/options.js";
import { prepare, restore } from "../restore/restore.js";
import { formatBytes, formatNs, plural } from "../ui/format.js";
import { isTerminal, painter, print, printError, printJson, printNote } from "../ui/output.js";
import type { Command, Global } from "./types.js";

interface Args {
  dir: string;
  detach: boolean;
  "inherit-fd": string[] | undefined;
  "shell-job": boolean;
  "new-pids": boolean;
  force: boolean;
  check: boolean;
}

export const command: Command<Args> = {
  command: "restore",
  describe: "bring a saved tree back",
  repeatable: ["inherit-fd"],

  builder: (yargs) =>
    yargs
      .option("dir", { alias: "D", type: "string", requiresArg: true, demandOption: true, describe: "directory of the image" })
      .option("detach", { alias: "d", type: "boolean", default: false, describe: "return when the tree runs" })
      .option("inherit-fd", {
        array: true,
        type: "string",
        requiresArg: true,
        describe: "KEY:FD, descriptor FD stands in for the external object KEY (crctl show names them)",
      })
      .option("shell-job", {
        alias: "j",
        type: "boolean",
        default: false,
        describe: "the tree joins the caller's session, group and terminal",
      })
      .option("new-pids", {
        type: "boolean",
        default: false,
        describe: "tasks get the process ids that the kernel gives: no privilege is needed to choose them",
      })
      .option("force", {
        type: "boolean",
        default: false,
        describe: "take files that changed since the dump, and clocks that run backwards",
      })
      .option("check", { type: "boolean", default: false, describe: "only check and print the plan" })
      .epilogue("Without --detach crctl stays as the parent of the tree, passes signals on and ends as its root task ends."),

  async handler(args) {
    const options = optionsOf(args);
    if (args.check) {
      await check(options, args);
      return;
    }
    const visible = isTerminal(2) && !args.json;
    const progress = visible ? (await import("../ui/progress.js")).progressBar("restore") : undefined;
    const { result, tree } = restore(options, progress);
    if (options.detach) {
      if (args.json) printJson(result);
      else await summary(result, args, print);
      return;
    }
    // standard output is the tree's
    if (!args.json) await summary(result, args, printError);
    const { code, signal } = tree.wait();
    if (args.json) printJson({ ...result, exit: { code, signal } });
    process.exitCode = code ?? 128 + (signal ?? 0);
  },
};

function optionsOf(args: Args): RestoreOptions {
  if (args.dir === "") throw usage("-D: the name of the directory is empty");
  return {
    dir: resolve(args.dir),
    detach: args.detach,
    shellJob: args["shell-job"],
    newPids: args["new-pids"],
    force: args.force,
    inherit: inheritedOf(args["inherit-fd"] ?? []),
  };
}

function inheritedOf(list: readonly string[]): Map<string, number> {
  const inherit = new Map<string, number>();
  for (const text of list) {
    const colon = text.lastIndexOf(":");
    const key = text.slice(0, Math.max(colon, 0));
    const number = text.slice(colon + 1);
    if (key === "" || !/^[0-9]{1,9}$/.test(number)) throw usage(`--inherit-fd: not KEY:FD: ${text}`);
    if (inherit.has(key)) throw usage(`--inherit-fd: ${key} is given more than once`);
    const fd = Number(number);
    try {
      fstatSync(fd);
    } catch {
      throw usage(`--inherit-fd: crctl was not given a descriptor ${fd}`);
    }
    inherit.set(key, fd);
  }
  return inherit;
}

function usage(message: string): CrctlError {
  return new CrctlError("E_USAGE", message, { hint: "see crctl restore --help" });
}

async function check(options: RestoreOptions, args: Global): Promise<void> {
  const built = prepare(options, false);
  const { describePlan, jsonPlan } = await import("../restore/describe.js");
  if (args.json) {
    printJson({ ok: true, notes: built.notes, plan: jsonPlan(built) });
    return;
  }
  for (const note of built.notes) printNote(note);
  print(describePlan(built, args.verbose > 0).join("\n"));
  const paint = await painter(1);
  print(paint("green", "nothing stands in the way of this restore"));
}

async function summary(result: RestoreResult, args: Global, line: (text: string) => void): Promise<void> {
  const paint = await painter(result.detached ? 1 : 2);
  for (const note of result.notes) printNote(note);
  const zombies = result.zombies === 0 ? "" : `, ${plural(result.zombies, "zombie")}`;
  line(
    `${paint("green", "restored")} ${plural(result.tasks, "task")} (${plural(result.threads, "thread")}${zombies}), ` +
      `${formatBytes(result.bytes)} from ${result.dir} in ${formatNs(result.totalNs)}; the root is ${result.pid}`,
  );
  if (args.verbose > 0) line(`planned in ${formatNs(result.planNs)}; image ${result.id}`);
}
