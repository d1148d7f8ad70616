import { resolve } from "node:path";

import { CrctlError } from "../errors.js";
import { readCoreHead, readImage } from "../image/read.js";
import { describeImage } from "../show/text.js";
import { painter, print, printJson } from "../ui/output.js";
import type { Command } from "./types.js";

interface Args {
  dir: string;
}

export const command: Command<Args> = {
  command: "show <dir>",
  describe: "print what an image holds, and check it",
  builder: (yargs) => yargs.positional("dir", { type: "string", demandOption: true, describe: "directory of the image" }),

  async handler(args) {
    if (args.dir === "") throw new CrctlError("E_USAGE", "the name of the directory is empty", { hint: "see crctl show --help" });
    const image = readImage(resolve(args.dir));
    // the heads of all cores are read: that is the check
    const cores = new Map(
      image.tasks.flatMap((task) => (task.core === undefined ? [] : [[task.core, readCoreHead(image, task.core)] as const])),
    );
    if (args.json) {
      const { jsonImage } = await import("../show/json.js");
      printJson(jsonImage(image, cores));
      return;
    }
    const paint = await painter(1);
    print(describeImage(image, cores, { paint, verbose: args.verbose > 0 }).join("\n"));
  },
};
