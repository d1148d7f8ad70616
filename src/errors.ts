/**
 * One error class with stable codes. A code never changes its meaning, and its exit status is part of it, so
 * that scripts can rely on both. docs/errors.md describes them; a unit test holds the two together.
 */

/** Exit status classes of the command. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  target: 3,
  unsupported: 4,
  image: 5,
  conflict: 6,
  permission: 7,
  kernel: 8,
  io: 9,
} as const;

/** code: exit status */
export const ERROR_CODES = {
  E_INTERNAL: EXIT.internal,
  E_ADDON: EXIT.internal,
  /** one that was asked for: fault.ts */
  E_FAULT: EXIT.internal,
  E_USAGE: EXIT.usage,

  E_PID_NOT_FOUND: EXIT.target,
  E_KERNEL_THREAD: EXIT.target,
  E_SELF: EXIT.target,
  E_TRACED: EXIT.target,
  E_FREEZE: EXIT.target,
  E_TARGET_DIED: EXIT.target,
  E_ZOMBIE: EXIT.target,

  E_UNSUPPORTED: EXIT.unsupported,
  E_SESSION: EXIT.unsupported,
  E_EXTERNAL: EXIT.unsupported,

  E_NO_IMAGE: EXIT.image,
  E_IMAGE_INCOMPLETE: EXIT.image,
  E_IMAGE_DAMAGED: EXIT.image,
  E_IMAGE_VERSION: EXIT.image,

  E_PID_IN_USE: EXIT.conflict,
  E_FILE_MISSING: EXIT.conflict,
  E_FILE_CHANGED: EXIT.conflict,
  E_CONFLICT: EXIT.conflict,
  E_RESTORE_FAILED: EXIT.conflict,
  E_NO_HUGE_PAGES: EXIT.conflict,

  E_PERMISSION: EXIT.permission,

  E_NO_MODULE: EXIT.kernel,
  E_KERNEL: EXIT.kernel,
  E_CPU: EXIT.kernel,

  E_DIR: EXIT.io,
  E_DIR_IN_USE: EXIT.io,
  E_NO_SPACE: EXIT.io,
  E_IO: EXIT.io,

  /** SIGINT, SIGTERM or SIGHUP; the exit status is 128 + the signal */
  E_INTERRUPTED: EXIT.internal,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What exactly stands in the way: enough to find the object and to do something about it. */
export interface Details {
  /** kind of object: "socket", "memory area", "session" ... */
  object?: string;
  pid?: number;
  tid?: number;
  comm?: string;
  fd?: number;
  /** user virtual address */
  address?: bigint;
  path?: string;
  /** what to do about it */
  hint?: string;
  /** it is likely to pass by itself: a dump waits for it a moment */
  transient?: true;
}

/** One of several reasons for one failure. */
export interface Problem extends Details {
  code: ErrorCode;
  /** a sentence without the task and object, which are in the other fields */
  why: string;
}

export class CrctlError extends Error {
  override readonly name = "CrctlError";
  readonly code: ErrorCode;
  readonly details: Details;
  /** reasons found together, in the order found */
  readonly problems: readonly Problem[];
  readonly exitCode: number;

  constructor(
    code: ErrorCode,
    message: string,
    details: Details & { problems?: readonly Problem[]; exitCode?: number; cause?: unknown } = {},
  ) {
    const { problems, exitCode, cause, ...rest } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = rest;
    this.problems = problems ?? [];
    this.exitCode = exitCode ?? ERROR_CODES[code];
  }

  /** For --json; addresses become hex strings. */
  toJSON(): Record<string, unknown> {
    return {
      error: {
        code: this.code,
        message: this.message,
        exitCode: this.exitCode,
        ...jsonDetails(this.details),
        ...(this.problems.length > 0 ? { problems: this.problems.map((p) => jsonDetails(p)) } : {}),
      },
    };
  }
}

function jsonDetails(details: Details): Record<string, unknown> {
  const { address, ...rest } = details;
  return address === undefined ? { ...rest } : { ...rest, address: `0x${address.toString(16)}` };
}

/** "task 12 (bash), descriptor 3, /dev/fuse" */
export function describeObject(details: Details): string {
  const parts: string[] = [];
  if (details.pid !== undefined) {
    parts.push(`task ${details.pid}${details.comm === undefined ? "" : ` (${printable(details.comm)})`}`);
  }
  if (details.tid !== undefined && details.tid !== details.pid) parts.push(`thread ${details.tid}`);
  if (details.fd !== undefined) parts.push(`descriptor ${details.fd}`);
  if (details.address !== undefined) parts.push(`address 0x${details.address.toString(16)}`);
  if (details.object !== undefined) parts.push(details.object);
  if (details.path !== undefined) parts.push(printable(details.path));
  return parts.join(", ");
}

/** The lines that a person sees. Names from outside may hold control characters: they must not steer a terminal. */
export function formatError(error: CrctlError): string[] {
  const where = describeObject(error.details);
  const lines = [`${printable(error.message)}${where === "" || error.message.includes(where) ? "" : ` [${where}]`}`];
  for (const problem of error.problems) {
    const object = describeObject(problem);
    lines.push(`  ${object === "" ? "" : `${object}: `}${printable(problem.why)}`);
    if (problem.hint !== undefined) lines.push(`      ${printable(problem.hint)}`);
  }
  if (error.details.hint !== undefined) lines.push(`  ${printable(error.details.hint)}`);
  return lines;
}

/** Control characters as \xNN. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** What Node and the addon throw for a failed system call. */
export interface SystemError extends Error {
  code: string;
  errno: number;
  syscall: string;
  path?: string;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error;
}

/** It is we who lack something, which tells nothing of what was being looked at. */
export function isShortage(error: unknown): error is SystemError {
  return isSystemError(error) && (error.code === "EMFILE" || error.code === "ENFILE");
}

/** If it came of too few descriptors, that is what to tell, whatever it was taken for. */
export function shortageOf(error: unknown): CrctlError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!isShortage(cause)) continue;
    return new CrctlError("E_IO", `there are too few file descriptors (${cause.code} in ${cause.syscall})`, {
      hint: cause.code === "EMFILE" ? "raise the limit: ulimit -n" : "raise /proc/sys/fs/file-max",
      cause,
    });
  }
  return undefined;
}

/** An I/O failure on something of ours (the image directory), with the right class. */
export function ioError(what: string, path: string, cause: unknown): CrctlError {
  if (cause instanceof CrctlError) return cause;
  if (!isSystemError(cause)) {
    return new CrctlError("E_IO", `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { path, cause });
  }
  switch (cause.code) {
    case "ENOSPC":
    case "EDQUOT":
      return new CrctlError("E_NO_SPACE", `${what}: no space left (${cause.code})`, {
        path,
        hint: "free some space, or choose a directory on another file system",
        cause,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new CrctlError("E_PERMISSION", `${what}: ${cause.code}`, { path, cause });
    default:
      return new CrctlError("E_IO", `${what}: ${cause.code} in ${cause.syscall}`, { path, cause });
  }
}
