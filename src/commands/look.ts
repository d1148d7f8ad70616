/** crctl dump --dry-run and crctl check -t: the same look at a tree that runs, and what is printed of it. */

import { checkLook, lookAtRunning, UNSEEN, type Look, type LookOptions } from "../dump/running/look.js";
import { printable } from "../errors.js";
import { formatBytes, plural } from "../ui/format.js";
import { painter, print, printJson, printNote } from "../ui/output.js";
import type { Global } from "./types.js";

const STREAMS = ["standard input", "standard output", "standard error"];

export async function look(options: LookOptions, args: Global): Promise<void> {
  const found = lookAtRunning(options);
  checkLook(found);
  if (args.json) {
    printJson(json(found));
    return;
  }
  for (const warning of found.warnings) printNote(warning);
  const paint = await painter(1);
  print(paint("green", `nothing is seen that stands in the way of a dump of task ${found.pid} (${printable(found.comm)})`));
  for (const line of describe(found, args.verbose > 0)) print(`  ${line}`);
}

function json(found: Look): object {
  const { pid, comm, tasks, threads, zombies, memoryBytes, contentBytes, warnings, restoreOptions, external, files } = found;
  const counts = { pid, comm, tasks, threads, zombies, memoryBytes, contentBytes };
  return { ok: true, dryRun: true, ...counts, warnings, restoreOptions, external, files, unseen: UNSEEN };
}

function describe(found: Look, verbose: boolean): string[] {
  const { tasks, threads, zombies, memoryBytes, contentBytes, external, files } = found;
  const dead = zombies === 0 ? "" : `, ${plural(zombies, "zombie")}`;
  const shared = contentBytes === 0n ? "" : `, and up to ${formatBytes(contentBytes)} of shared memory and deleted files`;
  return [
    `${plural(tasks, "task")} (${plural(threads, "thread")}${dead}); an image of about ${formatBytes(memoryBytes)}${shared}`,
    ...found.restoreOptions.map((option) => `restore will need ${option}, as this dump does`),
    ...external.map(wantedText),
    ...(files.length === 0
      ? []
      : [`restore must find ${plural(files.length, "file")} and directories${verbose ? ":" : " (-v names them)"}`]),
    ...(verbose ? files.map((file) => `  ${printable(file)}`) : []),
    `seen only when the tree is stopped: ${UNSEEN.join("; ")}`,
  ];
}

function wantedText({ key, what, path, standard }: Look["external"][number]): string {
  const own = standard === undefined ? "" : `, or its own ${STREAMS[standard] ?? ""}`;
  return `restore will need --inherit-fd ${printable(key)}:FD (${what} ${printable(path)})${own}`;
}
