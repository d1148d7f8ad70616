#!/usr/bin/python3
"""
python.py OUTPUT FILE: one Python program that uses what the language has for doing things at the same time: threads,
processes with queues and shared memory, an event loop with a server and its clients, subprocesses.
"""

import asyncio
import concurrent.futures
import hashlib
import multiprocessing
import multiprocessing.shared_memory
import threading

from working import work


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode() * 1000).hexdigest()


def serve(questions: multiprocessing.Queue, answers: multiprocessing.Queue, name: str) -> None:
    memory = multiprocessing.shared_memory.SharedMemory(name)
    while (number := questions.get()) is not None:
        memory.buf[number % memory.size] = number % 251
        answers.put((number, digest(number)))
    memory.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


class Loop:
    """An event loop in a thread of its own: a server, four clients of it, and a cat as a subprocess."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.do(self.begin())

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    async def begin(self) -> None:
        self.server = await asyncio.start_server(echo, "127.0.0.1", 18081)
        self.clients = [await asyncio.open_connection("127.0.0.1", 18081) for _ in range(4)]
        self.cat = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)

    async def say(self, text: str) -> list[str]:
        async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
            writer.write(text.encode())
            await writer.drain()
            return (await reader.readline()).decode()

        await asyncio.sleep(0.01)
        streams = [*self.clients, (self.cat.stdout, self.cat.stdin)]
        return list(await asyncio.wait_for(asyncio.gather(*(ask(*pair) for pair in streams)), 600))

    async def end(self) -> None:
        for _, writer in self.clients:
            writer.close()
        self.server.close()
        self.cat.stdin.close()
        assert await self.cat.wait() == 0

    def finish(self) -> None:
        self.do(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


def main() -> None:
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
    questions: multiprocessing.Queue = multiprocessing.Queue()
    answers: multiprocessing.Queue = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=serve, args=(questions, answers, memory.name)) for _ in range(3)]
    for process in processes:
        process.start()
    pool = concurrent.futures.ThreadPoolExecutor(8)
    loop = Loop()

    def step(n: int) -> None:
        numbers = range(n * 10, n * 10 + 10)
        for number in numbers:
            questions.put(number)
        mine = dict(zip(numbers, pool.map(digest, numbers)))
        assert loop.do(loop.say(f"line {n}\n")) == [f"line {n}\n"] * 5
        assert mine == dict(answers.get() for _ in numbers)
        assert all(memory.buf[number % memory.size] == number % 251 for number in numbers)

    def finish(_: int) -> None:
        for _ in processes:
            questions.put(None)
        for process in processes:
            process.join()
            assert process.exitcode == 0
        pool.shutdown()
        loop.finish()
        memory.close()
        memory.unlink()

    work(step, finish)


main()
