/** What a restore is asked to do, checked. */

export interface RestoreOptions {
  dir: string;
  /** return when the tree runs, instead of staying as its parent */
  detach: boolean;
  /** the tree joins the caller's session, group and terminal */
  shellJob: boolean;
  /** tasks get the ids that the kernel gives, not their old ones */
  newPids: boolean;
  /** take files as they are that changed since the dump */
  force: boolean;
  /** descriptors of ours by the key of the external object that they stand in for */
  inherit: ReadonlyMap<string, number>;
}

export interface RestoreResult {
  dir: string;
  id: string;
  /** that the root task has now */
  pid: number;
  tasks: number;
  threads: number;
  zombies: number;
  /** that came out of the image */
  bytes: bigint;
  planNs: bigint;
  totalNs: bigint;
  detached: boolean;
  notes: string[];
}
