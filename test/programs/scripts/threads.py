#!/usr/bin/python3
"""threads.py OUTPUT FILE: threads hash numbers from a queue until FILE exists; then the result is checked."""

import hashlib
import os
import queue
import sys
import threading
import time

output, stop_file = sys.argv[1:3]
numbers: queue.Queue = queue.Queue(maxsize=50)
digests: dict[int, str] = {}
lock = threading.Lock()
local = threading.local()


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode() * 100).hexdigest()


def work() -> None:
    local.done = 0
    while (number := numbers.get()) is not None:
        found = digest(number)
        local.done += 1
        with lock:
            digests[number] = found
    with lock:
        totals.append(local.done)


totals: list[int] = []
workers = [threading.Thread(target=work, name=f"worker {i}") for i in range(4)]
for worker in workers:
    worker.start()

with open(output, "a", encoding="utf-8") as out:
    count = 0
    while not os.path.exists(stop_file):
        numbers.put(count)
        count += 1
        # its results are all checked in the end, so there should not be too many
        time.sleep(0.001)
        if count % 20 == 0:
            print(count, file=out, flush=True)
    for _ in workers:
        numbers.put(None)
    for worker in workers:
        worker.join()
    good = sum(totals) == count and all(digests[n] == digest(n) for n in range(count))
    print("good" if good else "bad", file=out, flush=True)
