// A WebSocket client that costs as little as possible: a TCP socket, frames built beforehand, and a parser that
// looks at frame headers only. Good for measuring the other end; not for anything else.
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';

const MASK = [0x37, 0xfa, 0x21, 0x3d] as const;

/** A masked client frame (RFC 6455 §5.2). @param payload up to 65,535 bytes */
export function frame(opcode: number, payload: Uint8Array): Buffer {
  const long = payload.length > 125;
  const head = long ? 8 : 6;
  const out = Buffer.alloc(head + payload.length);
  out[0] = 0x80 | opcode;
  out[1] = 0x80 | (long ? 126 : payload.length);
  if (long) out.writeUInt16BE(payload.length, 2);
  out.set(MASK, head - 4);
  for (let i = 0; i < payload.length; i++) out[head + i] = payload[i]! ^ MASK[i & 3]!;
  return out;
}

const PONG = frame(10, new Uint8Array(0));
/** 1000, normal closure (RFC 6455 §7.4.1). */
const CLOSE = frame(8, Uint8Array.of(0x03, 0xe8));

export class LeanClient {
  /** Gets each text or binary message; valid only during the call. */
  onMessage: (payload: Buffer) => void = () => {};
  onClose: (code: number) => void = () => {};
  /** What it says when it leaves. */
  farewell: Buffer = CLOSE;
  readonly socket: Socket;
  #rest: Buffer | undefined;
  #upgraded: ((ok: boolean) => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  static async open(port: number, path: string, protocol?: string): Promise<LeanClient> {
    let client: LeanClient | undefined;
    const onread = {
      buffer: Buffer.allocUnsafeSlow(65_536),
      callback: (length: number, buffer: Uint8Array) => {
        client?.feed((buffer as Buffer).subarray(0, length));
        return true;
      },
    };
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
    client = new LeanClient(socket);
    socket.on('error', () => {});
    socket.on('close', () => client.onClose(1006));
    const key = createHash('sha1').update(path).digest('base64').slice(0, 22);
    const upgraded = new Promise<boolean>((resolve) => {
      client.#upgraded = resolve;
      socket.once('close', () => resolve(false));
    });
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${key}==\r\nSec-WebSocket-Version: 13\r\n` +
        `${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ''}\r\n`,
    );
    if (!(await upgraded)) throw new Error(`the upgrade of ${path} was refused`);
    return client;
  }

  /** Resolves when both sides have said goodbye and the connection is closed. */
  leave(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.onMessage = () => {};
    this.onClose = () => {
      if (this.farewell !== CLOSE && this.socket.writable) this.socket.write(CLOSE);
    };
    this.socket.write(this.farewell);
    return ended;
  }

  feed(chunk: Buffer): void {
    let data = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    if (this.#upgraded) {
      const end = data.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = Buffer.from(data);
        return;
      }
      const done = this.#upgraded;
      this.#upgraded = undefined;
      done(data.subarray(9, 12).toString() === '101');
      data = data.subarray(end + 4);
      // What follows the head waits until the opener has set onMessage.
      if (data.length > 0) {
        this.#rest = Buffer.from(data);
        setImmediate(() => this.feed(Buffer.alloc(0)));
      }
      return;
    }
    let at = 0;
    while (data.length - at >= 2) {
      let head = 2;
      let length = data[at + 1]! & 0x7f;
      if (length === 126) {
        if (data.length - at < 4) break;
        length = data.readUInt16BE(at + 2);
        head = 4;
      } else if (length === 127) {
        if (data.length - at < 10) break;
        length = data.readUInt32BE(at + 6);
        head = 10;
      }
      if (data.length - at < head + length) break;
      const opcode = data[at]! & 0x0f;
      const payload = data.subarray(at + head, at + head + length);
      at += head + length;
      if (opcode < 8) this.onMessage(payload);
      else if (opcode === 9) this.socket.write(PONG);
      else if (opcode === 8) this.onClose(length >= 2 ? payload.readUInt16BE(0) : 1005);
    }
    if (at < data.length) this.#rest = Buffer.from(data.subarray(at));
  }
}
