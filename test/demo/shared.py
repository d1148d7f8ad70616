"""Three children add to one counter in anonymous shared memory, in turn; the parent says what came of it."""
import mmap
import os
import struct
import sys
import time

CHILDREN, ROUNDS = 3, 300
memory = mmap.mmap(-1, 4096)


def child(number):
    for _ in range(ROUNDS):
        while struct.unpack_from("i", memory, 4)[0] != number:
            time.sleep(0.002)
        count = struct.unpack_from("i", memory, 0)[0]
        struct.pack_into("i", memory, 0, count + 1)
        struct.pack_into("i", memory, 4, (number + 1) % CHILDREN)
    os._exit(0)


pids = []
for number in range(CHILDREN):
    pid = os.fork()
    if pid == 0:
        child(number)
    pids.append(pid)
open("started", "w").close()
statuses = [os.waitpid(pid, 0)[1] for pid in pids]
with open(sys.argv[1], "w") as out:
    print(struct.unpack_from("i", memory, 0)[0], *statuses, file=out)
sys.exit(any(statuses))
