/** The other end of the connections of test/programs/sockets/tcp_kept.c: not in the tree, and never stopped. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { until } from "./wait.js";

const RECEIVED = 50000;
const TOTAL = 5 << 20;

function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + Math.floor(i / 251)) & 0xff;
  return bytes;
}

const ALL = pattern(TOTAL);

export class Peer {
  /** what went wrong: connections that were reset, bytes that are not what they should be */
  readonly wrong: string[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly paused: (() => void)[] = [];
  private away: Socket | undefined;
  private closed: Socket | undefined;
  private both = 0;
  /** questions that were answered */
  answered = 0;

  private constructor(
    private readonly server: Server,
    readonly host: string,
  ) {
    server.on("connection", (socket) => {
      this.serve(socket);
    });
  }

  static async start(host: string): Promise<Peer> {
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, host);
    await once(server, "listening");
    return new Peer(server, host);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  say(): void {
    this.away?.write("while you were away");
  }

  /** While the tree is away: something is sent to it, and again, since it is not acknowledged. */
  async call(): Promise<void> {
    const { away } = this;
    if (away === undefined) throw new Error("nobody is there");
    this.say();
    await until("the kernel to send again", () => retransmits(away) >= 2);
  }

  /** The tree is back: what was not read before, and so on. */
  goOn(): void {
    for (const act of this.paused.splice(0)) act();
    this.closed?.end("bye bye");
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private add(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", (error) => this.wrong.push(error.message));
    socket.on("close", () => this.sockets.delete(socket));
  }

  private serve(socket: Socket): void {
    this.add(socket);
    socket.once("readable", () => {
      const role = (socket.read(1) as Buffer | null)?.toString();
      switch (role) {
        case "i":
          this.idle(socket);
          break;
        case "a":
          this.away = socket;
          socket.resume();
          break;
        case "r":
          socket.write(ALL.subarray(0, RECEIVED));
          this.follow(socket, (text) => {
            if (text === "got it") socket.write("fine");
          });
          break;
        case "s":
          this.paused.push(() => {
            this.readAll(socket, (size) => {
              socket.end(size === TOTAL ? "all of it" : `only ${size}`);
            });
          });
          break;
        case "c":
          this.closed = socket;
          socket.resume();
          break;
        case "e":
          socket.end("end");
          this.follow(socket, () => undefined, "and my end");
          break;
        case "q":
          socket.end("question");
          this.follow(
            socket,
            (text) => {
              if (text === "answer") this.answered++;
            },
            "answer",
          );
          break;
        case "b":
          socket.end("end");
          this.paused.push(() => {
            this.readAll(socket, (size) => (this.both = size));
          });
          break;
        default:
          this.wrong.push(`role ${String(role)}`);
      }
    });
  }

  /** Called with all that has come so far. */
  private follow(socket: Socket, act: (text: string) => void, whole?: string): void {
    let text = "";
    socket.on("data", (data) => {
      text += data.toString("latin1");
      act(text);
    });
    socket.on("end", () => {
      if (whole !== undefined && text !== whole) this.wrong.push(`"${text}" instead of "${whole}"`);
    });
  }

  private readAll(socket: Socket, end: (size: number) => void): void {
    let size = 0;
    socket.on("data", (data) => {
      if (!data.equals(ALL.subarray(size, size + data.length))) this.wrong.push(`bytes from ${size} on differ`);
      size += data.length;
    });
    socket.on("end", () => {
      end(size);
    });
  }

  private idle(socket: Socket): void {
    this.follow(socket, (text) => {
      if (text.length === 5) this.callBack(Number(text));
      if (text.length === 10) socket.write("hello yourself");
      if (text.length === 18) {
        const sent = Number(text.slice(10));
        void until("all that was on its way", () => this.both === sent).then(
          () => socket.write("so many"),
          (error: unknown) => this.wrong.push(`${String(error)}: ${this.both} of ${sent}`),
        );
      }
    });
  }

  private callBack(port: number): void {
    const socket = connect({ port, host: this.host, allowHalfOpen: true });
    this.add(socket);
    socket.write("called");
    this.follow(socket, (text) => {
      if (text === "here") socket.write("here too");
    });
  }
}

/** The column "retrnsmt" of /proc/net/tcp. */
function retransmits({ localPort, remotePort }: Socket): number {
  const hex = (port: number | undefined): string => `:${(port ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  for (const path of ["/proc/net/tcp", "/proc/net/tcp6"])
    for (const line of readFileSync(path, "latin1").split("\n")) {
      const [, local = "", remote = "", , , , retransmitted = ""] = line.trim().split(/ +/);
      if (local.endsWith(hex(localPort)) && remote.endsWith(hex(remotePort))) return parseInt(retransmitted, 16);
    }
  return 0;
}
