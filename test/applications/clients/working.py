"""What the clients of applications have in common: they work with a server until a file exists, and tell how far they are."""

import os
import sys
import time
from collections.abc import Callable


def until(what: str, look: Callable[[], object], seconds: float = 900) -> None:
    """Waits until look() finds something. A server that is not up yet raises OSError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if look():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def work(step: Callable[[int], None], finish: Callable[[int], None]) -> None:
    """
    Calls step(n), n = 1, 2, ..., and writes each n to the first argument, until the file that the second one names
    exists. Then finish(n), and "good". Whatever fails raises, and its traceback is in the program's output.
    """
    with open(sys.argv[1], "a", encoding="utf-8") as out:
        count = 0
        while not os.path.exists(sys.argv[2]):
            count += 1
            step(count)
            print(count, file=out, flush=True)
        finish(count)
        print("good", file=out, flush=True)
