#!/usr/bin/python3
"""
nginx.py OUTPUT FILE: nginx with two workers, and clients that stay connected: one that asks for files over one
connection after the other and over one that is kept, and one whose file comes slowly.
"""

import hashlib
import http.client
import os
import random
import signal
import subprocess
import threading

from working import until, work

PORT = 18080
CONFIGURATION = f"""
daemon off;
pid nginx.pid;
error_log error.log;
worker_processes 2;
events {{ worker_connections 64; }}
http {{
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000;
    keepalive_timeout 3600;
    sendfile on;
    upstream self {{ server 127.0.0.1:{PORT}; keepalive 2; }}
    server {{
        listen 127.0.0.1:{PORT};
        listen [::1]:{PORT};
        root files;
        location /slow/ {{ alias files/; limit_rate 60k; }}
        location /through/ {{ proxy_pass http://self/; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""

with open("nginx.conf", "w", encoding="utf-8") as file:
    file.write(CONFIGURATION)
os.mkdir("files")
sizes = [0, 1, 4000, 300_000]
for size in sizes:
    with open(f"files/{size}", "wb") as file:
        file.write(random.Random(size).randbytes(size))
os.chmod(".", 0o755)

server = subprocess.Popen(["nginx", "-p", os.getcwd(), "-c", "nginx.conf", "-e", "error.log"])


def get(connection: http.client.HTTPConnection, place: str, size: int) -> bool:
    connection.request("GET", f"/{place}{size}")
    response = connection.getresponse()
    wanted = hashlib.sha256(random.Random(size).randbytes(size)).digest()
    good = response.status == 200 and hashlib.sha256(response.read()).digest() == wanted
    assert good, f"{place}{size}: {response.status}"
    return good


def connect(host: str = "127.0.0.1") -> http.client.HTTPConnection:
    return http.client.HTTPConnection(host, PORT, timeout=600)


def workers() -> set[int]:
    with open(f"/proc/{server.pid}/task/{server.pid}/children", encoding="ascii") as children:
        return {int(pid) for pid in children.read().split()}


until("nginx to answer", lambda: get(connect(), "", 1))
kept = connect("::1")
ended = threading.Event()
slow_ones: list[bool] = []


def fetch_slowly() -> None:
    connection = connect()
    while not ended.is_set():
        slow_ones.append(get(connection, "slow/", sizes[-1]))


slow = threading.Thread(target=fetch_slowly)
slow.start()


def step(n: int) -> None:
    size = sizes[n % len(sizes)]
    get(kept, "", size)
    # what a library would do unasked, if the connection were lost
    assert kept.sock is not None
    get(kept, "through/", size)
    once = connect()
    get(once, "", size)
    once.close()


def finish(_: int) -> None:
    ended.set()
    slow.join()
    assert slow_ones and all(slow_ones)
    before = workers()
    assert len(before) == 2
    server.send_signal(signal.SIGHUP)
    kept.close()
    until("new workers", lambda: len(workers()) == 2 and not workers() & before)
    get(connect(), "", sizes[-1])
    server.send_signal(signal.SIGQUIT)
    assert server.wait(60) == 0


work(step, finish)
