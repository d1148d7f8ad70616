"""Writes the first 4000 primes to a file that stays open all the time, ten to a line, not buffered."""
import sys
import time

primes = []
with open(sys.argv[1], "w", buffering=1) as out:
    candidate = 2
    line = []
    while len(primes) < 4000:
        if all(candidate % p for p in primes if p * p <= candidate):
            primes.append(candidate)
            line.append(str(candidate))
            if len(line) == 10:
                print(*line, file=out)
                line = []
                time.sleep(0.02)
        candidate += 1
