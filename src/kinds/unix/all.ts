/** All unix sockets of the machine. */

import { CrctlError, isSystemError } from "../../errors.js";
import { native, type UnixSocketRecord } from "../../native.js";

export function unixSockets(): UnixSocketRecord[] {
  try {
    return native().unixSockets();
  } catch (error) {
    if (!isSystemError(error) || error.code !== "ENOENT") throw error;
    throw new CrctlError("E_KERNEL", "the kernel tells nothing of unix sockets: it has no unix_diag", {
      hint: "modprobe unix_diag; or take a kernel with CONFIG_UNIX_DIAG",
      cause: error,
    });
  }
}
