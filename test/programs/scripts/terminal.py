# An interactive shell in a terminal of ours: it is given lines, and signals by characters. Arguments: a file for what was found, and one whose existence ends it.
import fcntl
import os
import pty
import re
import struct
import sys

TIOCGPTN = 0x80045430

result, go = sys.argv[1:3]
pid, master = pty.fork()
if pid == 0:
    os.environ.update(PS1="ready> ", TERM="dumb", HISTFILE="")
    os.execl("/bin/bash", "bash", "--norc", "--noprofile", "-i")

seen = ""


def until(pattern):
    """What the shell says up to there."""
    global seen
    while not (match := re.search(pattern, seen)):
        seen += os.read(master, 1000).decode()
    said, seen = seen[: match.end()], seen[match.end() :]
    return said


def order(line, pattern):
    os.write(master, line.encode() + b"\n")
    said = until(pattern)
    until("ready> ")
    return said


def note(text):
    with open(result, "a") as file:
        file.write(text + "\n")


until("ready> ")
name = f"/dev/pts/{struct.unpack('I', fcntl.ioctl(master, TIOCGPTN, bytes(4)))[0]}"
order("set +o emacs; sum=0", "\n")
order("sleep 100000 &", r"\[1\] \d+")
count = 0
while not os.path.exists(go):
    count += 1
    order(f"sum=$((sum + {count})); echo sum=$sum.", rf"sum={count * (count + 1) // 2}\.")
    order("tty", name + "\r")
    # in the foreground: the character reaches it, and not the shell
    os.write(master, b"bash -c 'trap \"echo in''terrupted; exit 3\" INT; echo wait''ing; while :; do sleep 0.01; done'\n")
    until("waiting\r")
    os.write(master, b"\003")
    # its end may be after the echo of the character
    until("interrupted")
    until("ready> ")
    order("echo status=$?.", r"status=(3|130)\.")
    order("jobs", r"\[1\]\+  Running +sleep 100000")
    note(str(count))
os.write(master, b"kill %1; wait; exit 5\n")
status = os.waitpid(pid, 0)[1]
note("good" if os.WEXITSTATUS(status) == 5 else f"status {status:#x}")
