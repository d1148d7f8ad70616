/** The command line. Only the command that was asked for is loaded. */

import yargs, { type Argv } from "yargs";

import type { Command, Global } from "./commands/types.js";
import { CrctlError, shortageOf } from "./errors.js";
import { armFault, unreachedFault } from "./fault.js";
import { VERSION } from "./version.js";

type Parser = Argv<Global>;
type Action = () => void | Promise<void>;
type Choose = (action: Action) => void;

const COMMANDS: Readonly<Record<string, (parser: Parser, choose: Choose) => Promise<void>>> = {
  dump: async (parser, choose) => add(parser, choose, (await import("./commands/dump.js")).command),
  restore: async (parser, choose) => add(parser, choose, (await import("./commands/restore.js")).command),
  show: async (parser, choose) => add(parser, choose, (await import("./commands/show.js")).command),
  check: async (parser, choose) => add(parser, choose, (await import("./commands/check.js")).command),
};

function add<A>(parser: Parser, choose: Choose, { command, describe, repeatable = [], builder, handler }: Command<A>): void {
  parser.command(command, describe, builder, (args) => {
    for (const [name, value] of Object.entries(args)) {
      if (!Array.isArray(value) || name === "_" || repeatable.includes(name)) continue;
      throw usage(`${name.length === 1 ? "-" : "--"}${name} is given more than once`, [command]);
    }
    // camel-case-expansion is off: the arguments are those of the builder
    choose(() => handler(args as unknown as A & Global));
  });
}

/** Runs the command and returns its exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes("--json");
  try {
    await armFaults();
    const chosen = await parse(argv);
    if (chosen !== undefined) await chosen();
    const unreached = unreachedFault();
    if (unreached !== undefined) (await import("./ui/output.js")).printNote(`CRCTL_FAULT: ${unreached} was not reached`);
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    const { reportError } = await import("./ui/output.js");
    const known = shortageOf(error) ?? (error instanceof CrctlError ? error : internal(error));
    await reportError(known, json);
    return known.exitCode;
  }
}

async function armFaults(): Promise<void> {
  const text = process.env.CRCTL_FAULT;
  if (text !== undefined) armFault(text, (await import("./restore/plan.js")).OPERATIONS);
}

/** The command with its arguments, to be run outside of yargs, so that its errors are ours alone; undefined: help was printed. */
async function parse(argv: readonly string[]): Promise<Action | undefined> {
  let chosen: Action | undefined;
  const parser = yargs([...argv])
    .scriptName("crctl")
    .usage("$0 COMMAND [OPTION...]\n\nCheckpoint and restore of process trees.")
    .locale("en")
    .parserConfiguration({
      "camel-case-expansion": false,
      "duplicate-arguments-array": true,
      "greedy-arrays": false,
      "boolean-negation": false,
      "dot-notation": false,
      "parse-numbers": false,
      "parse-positional-numbers": false,
    })
    .option("json", { type: "boolean", default: false, describe: "print one JSON object on standard output" })
    .option("verbose", { alias: "v", type: "count", describe: "tell more" })
    .help()
    .alias("help", "h")
    .version(VERSION)
    .strict()
    .demandCommand(1, 1, "no command given", "more than one command given")
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // some of its own complaints yargs throws, under a name of their own
      if (error !== undefined && error.name !== "YError") throw error;
      throw usage(message ?? error?.message ?? "wrong usage", argv);
    });
  const name = nameOf(argv) ?? argv.find((word) => !word.startsWith("-"));
  const load = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (name !== undefined && load === undefined) throw usage(`no such command: ${name}`, argv);
  const choose: Choose = (action) => {
    chosen = action;
  };
  for (const register of load === undefined ? Object.values(COMMANDS) : [load]) await register(parser, choose);
  await parser.parseAsync();
  return chosen;
}

function nameOf(argv: readonly string[]): string | undefined {
  return argv.find((word) => Object.hasOwn(COMMANDS, word));
}

function usage(message: string, argv: readonly string[]): CrctlError {
  const name = nameOf(argv);
  return new CrctlError("E_USAGE", message, { hint: `see crctl ${name === undefined ? "" : `${name} `}--help` });
}

function internal(error: unknown): CrctlError {
  if (process.env.CRCTL_DEBUG === "1" && error instanceof Error) process.stderr.write(`${error.stack ?? ""}\n`);
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new CrctlError("E_INTERNAL", `internal error: ${message.split("\n")[0] ?? ""}`, {
    hint: "please report this, with the output of the same command run with CRCTL_DEBUG=1",
    cause: error,
  });
}
