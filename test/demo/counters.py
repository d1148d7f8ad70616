"""counters.py RESULT: a parent and two children count in shared anonymous memory until there is a file "go"."""

import mmap
import os
import struct
import sys
import time

memory = mmap.mmap(-1, mmap.PAGESIZE)


def get(slot: int) -> int:
    return struct.unpack_from("q", memory, slot * 8)[0]


def put(slot: int, value: int) -> None:
    struct.pack_into("q", memory, slot * 8, value)


for slot in (0, 1):
    if os.fork() == 0:
        own = 0
        while not os.path.exists("go"):
            own += 1
            put(slot, own)
            time.sleep(0.01)
        # what this process remembers and what the others see must be the same
        os._exit(0 if get(slot) == own else 1)
statuses = [os.wait()[1] for _ in (0, 1)]
with open(sys.argv[1], "w", encoding="utf-8") as result:
    print("agree" if statuses == [0, 0] and get(0) > 0 and get(1) > 0 else "differ", get(0), get(1), file=result)
