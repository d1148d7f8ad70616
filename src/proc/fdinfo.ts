/** /proc/<pid>/fdinfo/<fd>, proc(5). */

export const O_ACCMODE = 0o3;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_NONBLOCK = 0o4000;
/** packet mode, of a pipe */
export const O_DIRECT = 0o40000;
export const FASYNC = 0o20000;
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;

export interface FdInfo {
  position: bigint;
  /** without O_CLOEXEC */
  flags: number;
  cloexec: boolean;
  mountId: number;
  /** the "lock:" lines */
  locks: string[];
  /** the other lines, which differ by kind of object */
  extra: string[];
}

/** The value of a "name: value" line of {@link FdInfo.extra}, undefined if there is none. */
export function extraField(info: FdInfo, name: string): string | undefined {
  const line = info.extra.find((candidate) => candidate.startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}

export function parseFdInfo(text: string): FdInfo {
  const info: FdInfo = { position: 0n, flags: 0, cloexec: false, mountId: 0, locks: [], extra: [] };
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1).trim();
    switch (line.slice(0, colon)) {
      case "pos":
        info.position = BigInt(value);
        break;
      case "flags": {
        const flags = parseInt(value, 8);
        info.cloexec = (flags & O_CLOEXEC) !== 0;
        info.flags = flags & ~O_CLOEXEC;
        break;
      }
      case "mnt_id":
        info.mountId = Number(value);
        break;
      case "lock":
        info.locks.push(value);
        break;
      case "ino": // of all descriptors since 5.14, and known from stat(2)
      case "":
        break;
      default:
        info.extra.push(line);
    }
  }
  return info;
}
