#!/bin/bash
# count.sh OUTPUT FILE: write 1, 2, 3 ... to OUTPUT until FILE exists, with processes coming and going all the time; the
# last line is the sum, kept in an associative array, by a trap and through a subshell's pipe.
declare -A state=([sum]=0)
trap 'state[trapped]=yes' USR1
exec 7>>"$1"
i=0
until [ -e "$2" ]; do
	((i++))
	n=$(echo "$i" | { read -r x; echo "$x"; })
	((state[sum] += n))
	echo "$n" >&7
	sleep 0.02
done
kill -USR1 $$
echo "sum ${state[sum]} trapped ${state[trapped]}" >&7
