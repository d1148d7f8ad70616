/** The shape of the metadata files of an image, and of what they say of each other. schema.ts says what the fields mean. */

import * as check from "./check.js";
import { isImageFile } from "./names.js";
import { IMAGE_VERSION, type Inventory, type MappedFile, type OpenFile, type Task } from "./schema.js";

const identity = check.map(
  {
    path: check.string,
    dev: check.bigint,
    ino: check.bigint,
    mode: check.natural,
    size: check.bigint,
    uid: check.natural,
    gid: check.natural,
    mtimeNs: check.bigint,
    deleted: check.boolean,
  },
  { mountId: check.natural },
);

const fileName: check.Check<string> = (value, path) => {
  const name = check.string(value, path);
  if (!isImageFile(name)) throw new check.ShapeError(`${path} is no name of an image's file`);
  return name;
};

const data = check.map({ name: fileName, size: check.bigint });

export const inventory: check.Check<Inventory> = check.map({
  magic: check.literal("crctl"),
  version: check.literal(IMAGE_VERSION),
  requires: check.array(check.string),
  id: check.string,
  crctlVersion: check.string,
  createdUnixNs: check.bigint,
  kernel: check.map({ release: check.string, version: check.string, machine: check.string }),
  hostname: check.string,
  clocks: check.map({ realtime: check.bigint, monotonic: check.bigint, boottime: check.bigint }),
  bootId: check.string,
  rootPid: check.pid,
  shellJob: check.boolean,
  xfeatures: check.bigint,
  files: check.array(check.map({ name: fileName, size: check.bigint }, { sha256: check.string, hashedBytes: check.bigint })),
  stats: check.map({ tasks: check.natural, threads: check.natural, bytes: check.bigint, frozenNs: check.bigint }),
  sha256: check.string,
});

const pids: check.Check<number[]> = (value, path) => {
  const vector = check.array(check.pid)(value, path);
  if (vector.length === 0) throw new check.ShapeError(`${path} is empty`);
  return vector;
};

const sched = check.map({
  policy: check.natural,
  priority: check.natural,
  nice: check.int,
  flags: check.bigint,
  runtime: check.bigint,
  deadline: check.bigint,
  period: check.bigint,
  affinity: check.string,
  ioprio: check.natural,
});

export const tasks: check.Check<Task[]> = check.array(
  check.map(
    {
      pids,
      ppid: check.pid,
      pgid: check.pid,
      sid: check.pid,
      comm: check.string,
      state: check.oneOf("running", "stopped", "zombie"),
      threads: check.array(check.map({ pids, comm: check.string, sched })),
      descriptors: check.array(check.map({ fd: check.natural, file: check.natural, cloexec: check.boolean })),
    },
    {
      exitStatus: check.natural,
      exitSignal: check.int,
      core: fileName,
      cwd: identity,
      root: identity,
      umask: check.natural,
      rlimits: check.array(check.map({ soft: check.bigint, hard: check.bigint })),
      oomScoreAdj: check.int,
      coredumpFilter: check.natural,
      autogroupNice: check.int,
      cgroup: check.string,
      label: check.string,
      namespaces: check.record(check.bigint),
      uidMap: check.string,
      gidMap: check.string,
      seccomp: check.array(
        check.map({
          thread: check.natural,
          mode: check.natural,
          filters: check.array(check.map({ flags: check.natural, insns: check.bytes })),
        }),
      ),
    },
  ),
);

const base = { id: check.natural, flags: check.natural };
const owner = { owner: check.map({ pid: check.int, type: check.natural, signal: check.natural }) };

const pipe = check.map({
  ino: check.bigint,
  capacity: check.natural,
  chunks: check.array(check.map({ data: check.bytes, packet: check.boolean })),
});

const OPEN_FILE = {
  regular: check.map(
    { ...base, kind: check.literal("regular"), identity, position: check.bigint },
    { ...owner, data, ghost: check.natural },
  ),
  directory: check.map({ ...base, kind: check.literal("directory"), identity, position: check.bigint }, owner),
  path: check.map({ ...base, kind: check.literal("path"), identity }, owner),
  device: check.map({ ...base, kind: check.literal("device"), identity, major: check.natural, minor: check.natural }, owner),
  pipe: check.map({ ...base, kind: check.literal("pipe"), pipe }, owner),
  fifo: check.map({ ...base, kind: check.literal("fifo"), identity, pipe }, owner),
  memfd: check.map({ ...base, kind: check.literal("memfd"), memory: check.natural, position: check.bigint }, owner),
  external: check.map(
    {
      ...base,
      kind: check.literal("external"),
      key: check.string,
      what: check.oneOf("tty", "pipe", "fifo", "socket"),
      path: check.string,
    },
    { ...owner, standard: check.natural },
  ),
} satisfies { [K in OpenFile["kind"]]: check.Check<Extract<OpenFile, { kind: K }>> };

const kinds = Object.keys(OPEN_FILE) as OpenFile["kind"][];

export const openFiles: check.Check<OpenFile[]> = check.array((value, path): OpenFile => {
  const kind = check.oneOf(...kinds)(check.object(value, path).kind, `${path}.kind`);
  return OPEN_FILE[kind](value, path);
});

export const mappedFiles: check.Check<MappedFile[]> = check.array(
  check.map(
    {
      id: check.natural,
      kind: check.oneOf("file", "shmem", "memfd", "sysv", "ghost"),
      kernelDev: check.bigint,
      kernelIno: check.bigint,
      identity,
    },
    { name: check.string, seals: check.natural, data, ghost: check.natural },
  ),
);

/** What the files say of each other. Throws a ShapeError. */
export function crossCheck(image: { inventory: Inventory; tasks: Task[]; files: OpenFile[]; memory: MappedFile[] }): void {
  const listed = new Map(image.inventory.files.map((file) => [file.name, file.size]));
  const demand = (condition: boolean, what: string): void => {
    if (!condition) throw new check.ShapeError(what);
  };
  image.files.forEach((file, i) => {
    demand(file.id === i, `open file ${i} has the id ${file.id}`);
    if (file.kind === "memfd") demand(image.memory[file.memory]?.kind === "memfd", `open file ${i} names no memfd`);
    if (file.kind === "regular" && file.data !== undefined) demand(listed.has(file.data.name), `${file.data.name} is not listed`);
  });
  image.memory.forEach((file, i) => {
    demand(file.id === i, `mapped file ${i} has the id ${file.id}`);
    if (file.data !== undefined) demand(listed.has(file.data.name), `${file.data.name} is not listed`);
    if (file.kind !== "file") demand(file.data !== undefined, `mapped file ${i} has no contents`);
  });
  const seen = new Set<number>();
  image.tasks.forEach((task, i) => {
    const pid = task.pids[0] ?? 0;
    demand(pid > 0, `task ${i} has no id`);
    demand(!seen.has(pid), `task ${pid} is there twice`);
    demand(i === 0 ? pid === image.inventory.rootPid : seen.has(task.ppid), `task ${pid} comes before its parent`);
    seen.add(pid);
    if (task.state === "zombie") {
      demand(task.exitStatus !== undefined, `zombie ${pid} has no exit status`);
      return;
    }
    demand(task.core !== undefined && listed.has(task.core), `task ${pid} has no core file`);
    demand(task.threads[0]?.pids[0] === pid, `task ${pid} does not start with its leader`);
    const fds = new Set<number>();
    for (const { fd, file } of task.descriptors) {
      demand(!fds.has(fd), `descriptor ${fd} of task ${pid} is there twice`);
      demand(file < image.files.length, `descriptor ${fd} of task ${pid} leads nowhere`);
      fds.add(fd);
    }
  });
  demand(image.tasks.length > 0, "it holds no task");
}
