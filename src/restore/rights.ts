/** What a restore without privilege cannot give back: known before anything is started. */

import { readFileSync } from "node:fs";

import type { CoreHead, CredsEntry } from "../image/elfcore.js";
import type { Task } from "../image/schema.js";
import { CAP, hasCapability, mayCheckpoint } from "../proc/capabilities.js";
import { statusField } from "../proc/status.js";
import type { RestoreContext } from "./context.js";

const SIGCHLD = 17;

export function checkOwnRights(cores: ReadonlyMap<Task, CoreHead>, context: RestoreContext): void {
  if (!mayCheckpoint()) {
    context.note("without privilege /proc/<pid>/exe of the tasks leads to their image, not to their program");
    for (const [{ pids, comm }, core] of cores) {
      if (core.process.exit_signal === SIGCHLD) continue;
      context.note(
        `task ${pids[0] ?? 0} (${comm}) ends with SIGCHLD: the signal of its choice (${core.process.exit_signal}) takes privilege`,
      );
    }
  }
  if (hasCapability(CAP.SETUID)) return;
  const own = ownCredentials();
  for (const [{ pids, comm }, core] of cores) {
    const why = core
      .creds()
      .map((creds) => difference(creds, own))
      .find((found) => found !== undefined);
    if (why === undefined) continue;
    context.refuse({
      pid: pids[0] ?? 0,
      comm,
      code: "E_PERMISSION",
      object: "credentials",
      why,
      hint: "run crctl restore as the user who ran it, or as root",
    });
  }
}

interface Own {
  uids: string;
  gids: string;
  groups: string;
  permitted: bigint;
  inheritable: bigint;
  bounding: bigint;
}

function ownCredentials(): Own {
  const status = readFileSync("/proc/self/status", "latin1");
  const words = (name: string): string => (statusField(status, name) ?? "").trim().split(/\s+/).filter(Boolean).join(" ");
  const bits = (name: string): bigint => BigInt(`0x${words(name) || "0"}`);
  return {
    uids: words("Uid"),
    gids: words("Gid"),
    groups: words("Groups"),
    permitted: bits("CapPrm"),
    inheritable: bits("CapInh"),
    bounding: bits("CapBnd"),
  };
}

/** What the kernel would not let us set. */
function difference(creds: CredsEntry, own: Own): string | undefined {
  const uids = [creds.uid, creds.euid, creds.suid, creds.fsuid].join(" ");
  const gids = [creds.gid, creds.egid, creds.sgid, creds.fsgid].join(" ");
  if (uids !== own.uids) return `its user ids are ${uids}, yours are ${own.uids}`;
  if (gids !== own.gids) return `its group ids are ${gids}, yours are ${own.gids}`;
  if (creds.groups.join(" ") !== own.groups) return `its groups are ${creds.groups.join(" ") || "none"}, yours are ${own.groups || "none"}`;
  if ((creds.cap_permitted & ~own.permitted) !== 0n) return "it has capabilities that you have not";
  if (creds.cap_bset !== own.bounding) return "its capability bounding set is not yours";
  if ((creds.cap_inheritable & ~(own.inheritable | own.permitted)) !== 0n) return "it has inheritable capabilities that you have not";
  return undefined;
}
