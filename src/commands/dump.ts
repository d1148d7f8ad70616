import { resolve } from "node:path";

import { dump } from "../dump/dump.js";
import { NO_PROGRESS, type DumpOptions, type DumpResult } from "../dump/options.js";
import { CrctlError } from "../errors.js";
import { formatBytes, formatNs, plural } from "../ui/format.js";
import { isTerminal, painter, print, printJson, printNote } from "../ui/output.js";
import { outsideTcpOf } from "./outside-tcp.js";
import { pidOf } from "./pid.js";
import type { Command, Global } from "./types.js";

interface Args {
  tree: string;
  dir: string | undefined;
  "dry-run": boolean;
  "leave-running": boolean | undefined;
  "leave-stopped": boolean | undefined;
  "shell-job": boolean;
  "tcp-close": boolean | undefined;
  "tcp-keep": boolean | undefined;
  force: boolean;
  "freeze-timeout": string;
}

export const command: Command<Args> = {
  command: "dump",
  describe: "save a process and all its descendants",

  builder: (yargs) =>
    yargs
      .option("tree", { alias: "t", type: "string", requiresArg: true, demandOption: true, describe: "id of the process at the root" })
      .option("dir", {
        alias: "D",
        type: "string",
        requiresArg: true,
        describe: "directory of the image; made if it is missing",
      })
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "only tell what could not be saved; the tree is not stopped, -D is not needed, nothing is written",
      })
      .option("leave-running", { alias: "R", type: "boolean", describe: "let the tree go on afterwards" })
      .option("leave-stopped", { alias: "s", type: "boolean", describe: "stop the tree (SIGSTOP) afterwards" })
      .option("shell-job", {
        alias: "j",
        type: "boolean",
        default: false,
        describe: "the session, group or terminal lies outside of the tree",
      })
      .option("tcp-close", {
        type: "boolean",
        describe: "the program finds TCP connections out of the tree reset when it is back",
      })
      .option("tcp-keep", {
        type: "boolean",
        describe: "TCP connections out of the tree go on after the restore; until then their packets are held back",
      })
      .option("force", { type: "boolean", default: false, describe: "overwrite a complete image" })
      .option("freeze-timeout", { type: "string", requiresArg: true, default: "10", describe: "seconds to wait for a task to stop" })
      .conflicts("leave-running", "leave-stopped")
      .conflicts("tcp-keep", ["tcp-close", "leave-running", "leave-stopped"])
      .epilogue("Without --leave-running and --leave-stopped the tree is ended once the image is complete."),

  async handler(args) {
    if (args["dry-run"]) {
      const options = { pid: pidOf(args.tree, "dump"), shellJob: args["shell-job"], outsideTcp: outsideTcpOf(args) };
      await (await import("./look.js")).look(options, args);
      return;
    }
    const options = optionsOf(args);
    const visible = isTerminal(2) && !args.json;
    const progress = visible ? (await import("../ui/progress.js")).progressBar("dump") : NO_PROGRESS;
    const result = dump(options, progress);
    if (args.json) printJson(result);
    else await summary(result, args);
  },
};

function optionsOf(args: Args): DumpOptions {
  const seconds = Number(args["freeze-timeout"]);
  if (!(seconds > 0 && seconds <= 3600)) throw usage(`--freeze-timeout: not a number of seconds: ${args["freeze-timeout"]}`);
  if (args.dir === undefined) throw usage("Missing required argument: dir");
  if (args.dir === "") throw usage("-D: the name of the directory is empty");
  return {
    pid: pidOf(args.tree, "dump"),
    dir: resolve(args.dir),
    after: args["leave-running"] === true ? "run" : args["leave-stopped"] === true ? "stop" : "kill",
    shellJob: args["shell-job"],
    outsideTcp: outsideTcpOf(args),
    force: args.force,
    freezeTimeoutMs: Math.ceil(seconds * 1000),
  };
}

function usage(message: string): CrctlError {
  return new CrctlError("E_USAGE", message, { hint: "see crctl dump --help" });
}

const AFTERWARDS = { kill: "ended", run: "goes on", stop: "stopped" } as const;

async function summary(result: DumpResult, args: Global): Promise<void> {
  const paint = await painter(1);
  for (const warning of result.warnings) printNote(warning);
  const zombies = result.zombies === 0 ? "" : `, ${plural(result.zombies, "zombie")}`;
  print(
    `${paint("green", "dumped")} ${plural(result.tasks, "task")} (${plural(result.threads, "thread")}${zombies}), ` +
      `${formatBytes(result.bytes)} to ${result.dir}; frozen ${formatNs(result.frozenNs)}, total ${formatNs(result.totalNs)}; ` +
      `the tree ${result.after === "run" ? "" : "was "}${AFTERWARDS[result.after]}`,
  );
  if (args.verbose === 0) return;
  print(`image ${result.id}`);
  const phases = Object.entries(result.phasesNs).map(([phase, ns]) => `${phase} ${formatNs(ns)}`);
  print(`time: ${phases.join(", ")}`);
}
