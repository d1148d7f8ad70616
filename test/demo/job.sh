#!/usr/bin/env bash
#
# The workload of the demonstration: three kinds of work under one root, all of them in the middle of something
# whenever they are stopped. job.sh DIR; ends with 0 when everything in DIR came out right.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
cd "$1" || exit 1

# 1. python3 with a file open for writing, and what it has computed so far only in its memory.
python3 "$here/primes.py" primes.txt &
primes=$!
# 2. Processes that count in anonymous memory that they share.
python3 "$here/shared.py" shared.txt &
shared=$!
# 3. A pipeline, when those two are under way: tar is faster than gzip, so its pipes are never empty, and sha256sum
# has the sum of what went by.
until [[ -e primes.txt && $(wc -l < primes.txt) -ge 4 && -e started ]]; do sleep 0.1; done
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - data | gzip -n -9 | sha256sum > sum &
pipeline=$!

status=0
for pid in $pipeline $primes $shared; do
	wait "$pid" || status=1
done
echo "$status" > status
exit "$status"
