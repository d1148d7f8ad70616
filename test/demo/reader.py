"""reader.py FILE RESULT: read FILE line by line, counting words; slowly, until there is a file "go"."""

import os
import sys
import time

words = lines = 0
with open(sys.argv[1], encoding="utf-8") as text:
    # readline() and not iteration, which would hide the file's position from tell()
    while line := text.readline():
        words += len(line.split())
        lines += 1
        if lines % 50 == 0:
            print(f"reader: line {lines}, {words} words so far", flush=True)
        while not os.path.exists("go") and lines >= 200:
            time.sleep(0.1)
with open(sys.argv[2], "w", encoding="utf-8") as result:
    print(lines, words, file=result)
