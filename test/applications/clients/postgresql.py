#!/usr/bin/python3
"""
postgresql.py OUTPUT FILE: a PostgreSQL server with its own user, and pgbench with four connections that stay, two over
TCP and two over a unix socket. pgbench's transactions keep three sums equal. What they share is in huge pages, which
there must be.
"""

import os
import signal
import subprocess
import time

from working import until, work

BIN = "/usr/lib/postgresql/15/bin"
PORT = "15432"
# the server does not run as root
USER = 65534
here = os.getcwd()


def command(*words: str, **options: object) -> subprocess.Popen:
    return subprocess.Popen(words, user=USER, group=USER, extra_groups=[], env={"PATH": BIN, "LC_ALL": "C", "HOME": here}, **options)


def run(*words: str) -> str:
    process = command(*words, stdout=subprocess.PIPE, text=True)
    output = process.communicate()[0]
    assert process.returncode == 0, words
    return output


def sql(statement: str) -> str:
    return run("psql", "-h", here, "-p", PORT, "-d", "postgres", "-AXtqc", statement).strip()


run("initdb", "-D", "data", "-A", "trust", "-U", "nobody", "--no-sync", "--no-instructions", "--no-locale")
server = command(
    "postgres", "-D", "data", "-p", PORT, "-k", here, "-h", "127.0.0.1", "-c", "fsync=off", "-c", "autovacuum_naptime=1s",
    "-c", "huge_pages=on", "-c", "shared_buffers=32MB"
)
until("the server to be ready", lambda: command("pg_isready", "-q", "-h", here, "-p", PORT).wait() == 0)
run("pgbench", "-h", here, "-p", PORT, "-q", "-i", "-s", "1", "postgres")

progress = [open(f"pgbench-{n}", "w+", encoding="utf-8") for n in range(2)]
loads = [
    command("pgbench", "-h", host, "-p", PORT, "-n", "-c", "2", "-j", "2", "-R", "20", "-T", "1000000", "-P", "1", "postgres", stderr=log)
    for host, log in zip((here, "127.0.0.1"), progress)
]


def lines(log) -> int:
    with open(log.name, encoding="utf-8") as file:
        return file.read().count("progress:")


def step(_: int) -> None:
    before = [lines(log) for log in progress]
    while any(lines(log) <= old for log, old in zip(progress, before)):
        assert server.poll() is None
        for load, log in zip(loads, progress):
            assert load.poll() is None, open(log.name, encoding="utf-8").read()
        time.sleep(0.1)


def finish(_: int) -> None:
    for load in loads:
        load.send_signal(signal.SIGINT)
    for load in loads:
        load.wait()
    for log in progress:
        with open(log.name, encoding="utf-8") as file:
            assert "ERROR" not in file.read() and "FATAL" not in file.read()
    until("pgbench's connections to end", lambda: sql("select count(*) from pg_stat_activity where application_name = 'pgbench'") == "0")
    sums = [f"(select coalesce(sum({column}), 0) from pgbench_{table})" for column, table in
            (("abalance", "accounts"), ("bbalance", "branches"), ("tbalance", "tellers"), ("delta", "history"))]
    assert sql(f"select {sums[0]} = {sums[1]} and {sums[1]} = {sums[2]} and {sums[2]} = {sums[3]}") == "t"
    assert int(sql("select count(*) from pgbench_history")) > 0
    sql("vacuum full")
    server.send_signal(signal.SIGINT)
    assert server.wait(120) == 0


work(step, finish)
