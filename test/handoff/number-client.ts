import { once } from 'node:events';
import net from 'node:net';

/** A client that streams numbers and checks that each comes back once and in order. */
export class NumberClient {
  readonly socket: net.Socket;
  readonly problems: string[] = [];
  sent = 0;
  back = 0;
  #rest = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = net.connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => this.#read(chunk));
    for (const event of ['error', 'end', 'close']) this.socket.on(event, () => this.problems.push(event));
  }

  #read(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    const whole = bytes.length & ~3;
    for (let at = 0; at < whole; at += 4, this.back++) {
      if (bytes.readUInt32LE(at) !== this.back)
        this.problems.push(`${bytes.readUInt32LE(at)} for ${this.back}`);
    }
    this.#rest = bytes.subarray(whole);
  }

  /** Sends `count` numbers, cut so that most packets end within one. */
  send(count: number): void {
    const bytes = Buffer.alloc(count * 4);
    for (let i = 0; i < count; i++) bytes.writeUInt32LE(this.sent++, i * 4);
    const cut = this.sent % bytes.length;
    this.socket.write(bytes.subarray(0, cut));
    this.socket.write(bytes.subarray(cut));
  }

  end(): void {
    this.socket.removeAllListeners();
    this.socket.on('error', () => {});
    this.socket.destroy();
  }
}

export async function connectAll(port: number, count: number): Promise<NumberClient[]> {
  const clients = Array.from({ length: count }, () => new NumberClient(port));
  await Promise.all(clients.map((client) => once(client.socket, 'connect')));
  return clients;
}
