import type { OutsideTcp } from "../kinds/types.js";

/** What --tcp-close and --tcp-keep say. */
export function outsideTcpOf(args: { "tcp-close": boolean | undefined; "tcp-keep": boolean | undefined }): OutsideTcp {
  if (args["tcp-close"] === true) return "reset";
  return args["tcp-keep"] === true ? "keep" : "refuse";
}
