import type { Socket } from 'node:net';

/**
 * The embedded store's protocol: frames of a 32-bit little-endian length and an array in JSON, which takes a tenth of the
 * time of v8.serialize. Client to server: `[id, method, args]`, ids from 1; an argument that is not there is null. Server to
 * client: `[id, result]`, `[id]` where there is none, `[id, null, error]`, or `[0, topic, json]` for a message on a
 * subscribed topic.
 */
export const protocolVersion = 2;
export type Request = [id: number, method: string, args: unknown[]];
export type Reply = [id: number, result?: unknown, error?: WireError];
export type Push = [id: 0, topic: string, json: string];
/** A BatonError's JSON, or the text of any other error. */
export type WireError = {
  message: string;
  code?: string;
  status?: number;
  details?: Record<string, unknown>;
};

/** Bounds in bytes. */
export const wireLimits = {
  /** One request. */
  request: 16 << 20,
  /** One reply: a query may return every listing. */
  reply: 64 << 20,
  /** What may wait for a peer that does not read; beyond it the connection is closed. */
  unread: 128 << 20,
} as const;

const headerBytes = 4;

export function frame(message: Request | Reply | Push): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const framed = Buffer.allocUnsafe(headerBytes + body.length);
  framed.writeUInt32LE(body.length, 0);
  framed.set(body, headerBytes);
  return framed;
}

/** Cuts a byte stream into messages. */
export class FrameReader {
  readonly #maxBytes: number;
  readonly #onMessage: (message: unknown) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #needed = headerBytes;

  constructor(maxBytes: number, onMessage: (message: unknown) => void) {
    this.#maxBytes = maxBytes;
    this.#onMessage = onMessage;
  }

  /** @throws when a frame is too large or is not JSON */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#needed) return;
    let buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes);
    for (;;) {
      this.#needed = headerBytes;
      if (buffer.length < headerBytes) break;
      const length = buffer.readUInt32LE(0);
      if (length > this.#maxBytes) throw new RangeError(`frame of ${length} bytes exceeds ${this.#maxBytes}`);
      this.#needed = headerBytes + length;
      if (buffer.length < this.#needed) break;
      const body = buffer.subarray(headerBytes, this.#needed);
      buffer = buffer.subarray(this.#needed);
      this.#onMessage(JSON.parse(body.toString()));
    }
    this.#chunks = buffer.length > 0 ? [buffer] : [];
    this.#bytes = buffer.length;
  }
}

/** Sends all frames of one tick with one write. */
export class FrameWriter {
  readonly #socket: Socket;
  #frames: Buffer[] = [];
  #queued = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Destroys the connection when the peer leaves too much unread. */
  send(framed: Buffer): void {
    if (this.#frames.length === 0) process.nextTick(() => this.flush());
    this.#frames.push(framed);
    this.#queued += framed.length;
    if (this.#queued + this.#socket.writableLength > wireLimits.unread) {
      this.#socket.destroy(new Error('the peer does not read'));
    }
  }

  flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    const bytes = this.#queued;
    this.#frames = [];
    this.#queued = 0;
    if (this.#socket.destroyed) return;
    this.#socket.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames, bytes));
  }
}
