#!/bin/bash
#
# A tree of programs is checkpointed, killed and restored before your eyes. Needs root and the module: `make demo` runs
# it in the test machine. Ends with status 0 if the workload came to its right end.

set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
crctl() { node "$here/../dist/bin/crctl.js" "$@"; }

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
	bold=$'\e[1;36m' good=$'\e[32m' bad=$'\e[1;31m' faint=$'\e[2m' plain=$'\e[0m'
else
	bold='' good='' bad='' faint='' plain=''
fi
heading() { printf '\n%s== %s ==%s\n' "$bold" "$*" "$plain"; }
say() { printf '%s\n' "$*"; }
command_line() { printf '%s$ %s%s\n' "$faint" "$*" "$plain"; }
fail() {
	printf '%s%s%s\n' "$bad" "$*" "$plain" >&2
	exit 1
}
await() { # CONDITION...: until the command succeeds; two minutes at most
	local deadline=$((SECONDS + 120))
	until "$@"; do
		((SECONDS < deadline)) || fail "waited two minutes for: $*"
		sleep 0.1
	done
}

descendants() { # PID: it and all below it
	local child
	echo "$1"
	# shellcheck disable=SC2013 # words, not lines
	for child in $(cat "/proc/$1/task"/*/children 2>/dev/null); do
		descendants "$child"
	done
}
show_tree() { # PID
	ps --forest -o pid,ppid,sid,stat,args -p "$(descendants "$1" | paste -sd,)" | cut -c1-110
}

work=$(mktemp -d)
cd "$work"
mkdir letters
for name in alpha beta gamma; do seq -f "$name, letter %g: the quick brown fox jumps over the lazy dog" 1 20000 >letters/$name; done
seq -f 'line %g has five words' 1 1000 >words
expected=$(tar --sort=name --mtime=@0 -cf - letters | gzip -n | sha256sum)

heading "The workload: three jobs under one shell"
say "1. tar | gate | gzip | sha256sum: the gate holds the stream half-way, so that there is data in flight"
say "2. python3 reads an open file line by line, and counts"
say "3. a python3 process and its two children count in shared anonymous memory"
say ""
setsid "$here/demo/workload.sh" </dev/null >log 2>&1 &
root=$!
disown # its end is no news
await test -e gate.waiting
await grep -q 'line 200' log
show_tree "$root"
before=$(descendants "$root")
grep reader log | tail -n 1

heading "Dump: the tree is frozen, saved, and ended"
command_line "crctl dump -t $root -D image"
crctl dump -t "$root" -D image
for pid in $before; do await test ! -e "/proc/$pid"; done
say "${good}None of the processes is left.$plain"

heading "What was saved"
command_line "crctl show image"
crctl show image
command_line "du -h --apparent-size image"
du -h --apparent-size image

heading "Restore: the tree is back, under its old process ids"
command_line "crctl restore -d -D image"
crctl restore -d -D image
show_tree "$root"
after=$(descendants "$root")
[[ $before == "$after" ]] || fail "other processes than before: $after, not $before"
say "${good}The same $(wc -w <<<"$before") processes with the same ids.$plain"

heading "The workload goes on to its end"
touch go
echo >gate
await test -e end
say "tar | gzip | sha256sum gives  $(cut -c1-32 packed.sha256)…"
say "uninterrupted it would be     ${expected:0:32}…"
say "the reader counted lines, words:  $(cat words.count)   (should be 1000 5000)"
say "the counters say:                 $(cat counters)"
[[ $(cat packed.sha256) == "$expected" ]] || fail "the packed data differ"
[[ $(cat words.count) == '1000 5000' ]] || fail "the reader lost its place"
[[ $(cat counters) == agree* ]] || fail "the shared memory was not shared"
say "${good}Everything came to its right end, as if nothing had happened.$plain"
rm -rf "$work"
