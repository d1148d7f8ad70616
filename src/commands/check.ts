import { kernelReport, type Finding } from "../check/kernel.js";
import { EXIT } from "../errors.js";
import { painter, print, printJson } from "../ui/output.js";
import { VERSION } from "../version.js";
import type { Command } from "./types.js";

export const command: Command<unknown> = {
  command: "check",
  describe: "tell what this kernel and the module can do",
  builder: (yargs) => yargs,

  async handler(args) {
    const findings = kernelReport();
    const ok = findings.every((finding) => finding.ok || !finding.needed);
    if (!ok) process.exitCode = EXIT.kernel;
    if (args.json) {
      printJson({ ok, version: VERSION, findings });
      return;
    }
    const paint = await painter(1);
    const width = Math.max(...findings.map((finding) => finding.name.length));
    for (const finding of findings) {
      print(`${mark(finding, paint)} ${finding.name.padEnd(width)}  ${finding.value}${finding.ok ? "" : `: ${finding.hint}`}`);
    }
    print(ok ? paint("green", "crctl can dump and restore here.") : paint("red", "crctl cannot work here."));
  },
};

function mark(finding: Finding, paint: Awaited<ReturnType<typeof painter>>): string {
  if (finding.ok) return paint("green", "ok  ");
  return finding.needed ? paint("red", "FAIL") : paint("yellow", "note");
}
