#!/bin/bash
# A parent that waits for its child, which carries out what is written to the FIFO "orders", a command at a time, and adds
# it to the file "done".
mkfifo orders
(
	while [ -p orders ]; do
		# nothing comes of who has given the order before and closes only now
		read -r order <orders || continue
		eval "$order"
		echo "$order" >>"done"
	done
) &
echo "$BASHPID" "$!" >pids.new
mv pids.new pids
wait
