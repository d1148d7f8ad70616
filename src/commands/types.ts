/** What each command module exports, under the name `command`. */

import type { Argv } from "yargs";

export interface Global {
  json: boolean;
  verbose: number;
}

export interface Command<A> {
  /** as yargs has it: name and positional arguments */
  command: string;
  describe: string;
  /** options that may be given more than once */
  repeatable?: readonly string[];
  builder: (yargs: Argv<Global>) => Argv<A & Global>;
  /** Throws a CrctlError; the exit status is 0, or what process.exitCode was set to. */
  handler: (args: A & Global) => void | Promise<void>;
}
