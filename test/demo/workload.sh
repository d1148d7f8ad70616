#!/bin/bash
# The demonstration's workload: three jobs under this one shell. They come to their end once there is a
# file "go" and a line comes through the FIFO "gate".
# Runs in a directory that holds "letters" (a directory to pack) and "words" (a text to read).
here=$(dirname "$(readlink -f "$0")")

tar --sort=name --mtime=@0 -cf - letters | "$here/../programs/scripts/gate" 1000000 gate | gzip -n | sha256sum >packed.sha256 &
/usr/bin/python3 "$here/reader.py" words words.count &
/usr/bin/python3 "$here/counters.py" counters &
wait
: >end
