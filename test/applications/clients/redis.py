#!/usr/bin/python3
"""
redis.py OUTPUT FILE: a redis-server with three clients that stay connected: one that counts, stores and checks what
has to expire, one that waits for what the first one pushes, and one that has subscribed to what it publishes.
"""

import socket
import subprocess
import threading
import time

from working import until, work

PORT = 16379
LIVES_MS = 1500


class Connection:
    """The protocol of redis, as far as it is needed here."""

    def __init__(self, family: socket.AddressFamily, address: str | tuple[str, int]) -> None:
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.connect(address)
        self.stream = self.socket.makefile("rb")

    def reply(self) -> object:
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.stream.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        raise RuntimeError(rest.decode())

    def send(self, *words: object) -> None:
        parts = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))

    def __call__(self, *words: object) -> object:
        self.send(*words)
        return self.reply()


server = subprocess.Popen(
    ["redis-server", "--port", str(PORT), "--bind", "127.0.0.1", "::1", "--unixsocket", "redis.sock", "--save", ""]
    + ["--appendonly", "yes", "--appendfsync", "everysec"]
)
until("redis-server to answer", lambda: Connection(socket.AF_UNIX, "redis.sock")("PING") == "PONG")

main = Connection(socket.AF_INET, ("127.0.0.1", PORT))
waiting = Connection(socket.AF_INET6, ("::1", PORT))
subscribed = Connection(socket.AF_UNIX, "redis.sock")
taken: list[int] = []
heard: list[int] = []


def take() -> None:
    while (one := waiting("BLPOP", "list", 0)) != ["list", "end"]:
        taken.append(int(one[1]))


def hear() -> None:
    while (one := subscribed.reply()) != ["message", "news", "end"]:
        heard.append(int(one[2]))


assert subscribed("SUBSCRIBE", "news") == ["subscribe", "news", 1]
others = [threading.Thread(target=take), threading.Thread(target=hear)]
for other in others:
    other.start()

expiring: list[tuple[float, str]] = []


def step(n: int) -> None:
    assert main("INCR", "counter") == n
    assert main("SET", f"key:{n}", f"value {n} " * 20) == "OK"
    assert main("GET", f"key:{n // 2 or 1}") == f"value {n // 2 or 1} " * 20
    assert main("SET", f"short:{n}", n, "PX", LIVES_MS) == "OK"
    expiring.append((time.time() + LIVES_MS / 1000, f"short:{n}"))
    assert main("SET", "long", n, "EX", 86400) == "OK"
    left = main("TTL", "long")
    assert isinstance(left, int) and 86390 <= left <= 86400, left
    assert main("RPUSH", "list", n) is not None
    main("PUBLISH", "news", n)
    # A pipeline is answered in its order, wherever it was interrupted.
    for i in range(20):
        main.send("ECHO", f"{n} {i}")
    assert [main.reply() for _ in range(20)] == [f"{n} {i}" for i in range(20)]
    while expiring and time.time() > expiring[0][0] + 0.1:
        assert main("GET", expiring.pop(0)[1]) is None
    if n % 50 == 0 and main("INFO", "persistence").count("rdb_bgsave_in_progress:0"):  # type: ignore[union-attr]
        assert main("BGSAVE") == "Background saving started"


def finish(n: int) -> None:
    main("RPUSH", "list", "end")
    main("PUBLISH", "news", "end")
    for other in others:
        other.join()
    assert taken == heard == list(range(1, n + 1))
    assert all(main("GET", f"key:{i}") == f"value {i} " * 20 for i in range(1, n + 1))
    main.send("SHUTDOWN", "NOSAVE")
    assert server.wait(60) == 0


work(step, finish)
