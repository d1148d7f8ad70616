import { feature, featureIds, features } from "../check/features.js";
import type { Feature } from "../check/types.js";
import { CrctlError, EXIT, printable } from "../errors.js";
import { painter, print, printJson, type Paint } from "../ui/output.js";
import { VERSION } from "../version.js";
import { outsideTcpOf } from "./outside-tcp.js";
import { pidOf } from "./pid.js";
import type { Command, Global } from "./types.js";

interface Args {
  feature: string | undefined;
  tree: string | undefined;
  "shell-job": boolean;
  "tcp-close": boolean | undefined;
  "tcp-keep": boolean | undefined;
}

export const command: Command<Args> = {
  command: "check",
  describe: "tell what this kernel and machine can do, or whether a running tree can be dumped",

  builder: (yargs) =>
    yargs
      .option("feature", {
        type: "string",
        requiresArg: true,
        describe: "only this one; the exit status is 0 for yes, 1 for no or limited",
      })
      .option("tree", {
        alias: "t",
        type: "string",
        requiresArg: true,
        describe: "id of a process: what stands in the way of dumping it, told without stopping it (as dump --dry-run)",
      })
      .option("shell-job", { alias: "j", type: "boolean", default: false, describe: "with -t: as of dump" })
      .option("tcp-close", { type: "boolean", describe: "with -t: as of dump" })
      .option("tcp-keep", { type: "boolean", describe: "with -t: as of dump" })
      .conflicts("tcp-close", "tcp-keep")
      .conflicts("feature", "tree"),

  async handler(args) {
    if (args.tree !== undefined) {
      const options = { pid: pidOf(args.tree, "check"), shellJob: args["shell-job"], outsideTcp: outsideTcpOf(args) };
      await (await import("./look.js")).look(options, args);
      return;
    }
    for (const name of ["shell-job", "tcp-close", "tcp-keep"] as const)
      if (args[name] === true) throw usage(`--${name} says something of a tree: give -t PID`);
    if (args.feature === undefined) await all(args);
    else await one(args.feature, args);
  },
};

function usage(message: string): CrctlError {
  return new CrctlError("E_USAGE", message, { hint: "see crctl check --help" });
}

async function all(args: Global): Promise<void> {
  const found = features();
  const ok = found.every(({ needed, status }) => !needed || status !== "no");
  if (!ok) process.exitCode = EXIT.kernel;
  if (args.json) {
    printJson({ ok, version: VERSION, features: found });
    return;
  }
  const paint = await painter(1);
  const width = Math.max(...found.map(({ id }) => id.length));
  for (const item of found) print(line(item, width, paint));
  print(ok ? paint("green", "crctl can dump and restore here.") : paint("red", "crctl cannot work here."));
}

async function one(id: string, args: Global): Promise<void> {
  const found = feature(id);
  if (found === undefined) throw usage(`--feature: there is no feature ${id}; there are: ${featureIds().join(", ")}`);
  if (found.status !== "yes") process.exitCode = 1;
  if (args.json) printJson(found);
  else print(line(found, id.length, await painter(1)));
}

const COLOURS = { yes: "green", limited: "yellow", no: "yellow" } as const;

function line({ id, about, needed, status, why, value }: Feature, width: number, paint: Paint): string {
  const mark = paint(needed && status === "no" ? "red" : COLOURS[status], status.padEnd(7));
  const what = value === undefined ? about : `${about} (${value})`;
  return `${mark}  ${id.padEnd(width)}  ${printable(why === "" ? what : `${what}: ${why}`)}`;
}
