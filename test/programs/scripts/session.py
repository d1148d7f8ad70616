# A terminal of ours, and a session in it that knows nobody's id. Arguments: a file for what was found, one whose existence ends it, and how many
# terminals are made first and given up again, so that this one has a higher number.
import os
import pty
import sys
import termios
import time

result, go = sys.argv[1:3]
spare = [os.openpty() for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 0)]
pid, master = pty.fork()
for pair in spare:
    for fd in pair:
        os.close(fd)
if pid == 0:
    name = os.ttyname(0)
    line = os.read(0, 100).decode()
    tty = os.open("/dev/tty", os.O_RDWR)
    good = os.getsid(0) == os.getpid() and os.tcgetpgrp(tty) == os.getpgrp() and os.ttyname(0) == name
    os.write(1, f"{line.strip()}, {'good' if good else 'another session'}\n".encode())
    os._exit(0)

attributes = termios.tcgetattr(master)
attributes[3] &= ~termios.ECHO
termios.tcsetattr(master, termios.TCSANOW, attributes)
open(f"{result}.up", "w").close()
while not os.path.exists(go):
    time.sleep(0.01)
os.write(master, b"are you there?\n")
said = os.read(master, 100).decode()
with open(f"{result}.new", "w") as file:
    file.write(said.strip())
os.rename(f"{result}.new", result)
