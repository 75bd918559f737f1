// The socket of a connection: what it reads, and how it ends. Reading stops and starts at the handle, where no
// stream machinery can start it again behind our back.

import { Socket } from 'node:net';

export interface InletOwner {
  /** `chunk[0, length)` was read; valid until this returns. */
  onBytes(chunk: Buffer, length: number): void;
  /** The peer will send nothing more. */
  onEnd(): void;
  /** The descriptor is no longer usable. */
  onFailed(): void;
  /** The descriptor is closed. */
  onClosed(): void;
}

/** The part of libuv's stream handle that is needed here. */
interface Handle {
  readonly fd: number;
  reading: boolean;
  readStart(): number;
  readStop(): number;
}

const ignore = (): void => {};

/** Stops reading in this very tick. A paused stream may start reading again (maybeReadMore), so it loses `_read`. */
export function stopReading(socket: Socket): void {
  const handle = handleOf(socket);
  socket._read = ignore;
  if (!handle) return;
  handle.reading = false;
  handle.readStop();
}

/** -1 when the socket is closed, or has no descriptor. */
export function descriptorOf(socket: Socket): number {
  return handleOf(socket)?.fd ?? -1;
}

function handleOf(socket: Socket): Handle | undefined {
  return (socket as unknown as { _handle: Handle | null })._handle ?? undefined;
}

export class Inlet {
  readonly socket: Socket;
  private reading = false;
  private readonly raw: boolean;

  /**
   * @param source descriptor of a connected stream socket, which belongs to the inlet from now on; or a socket,
   *               where descriptors cannot be copied
   * @param buffer memory to read into
   */
  constructor(source: number | Socket, buffer: Buffer, owner: InletOwner) {
    this.raw = typeof source === 'number';
    if (typeof source === 'number') {
      const callback = (length: number): boolean => {
        owner.onBytes(buffer, length);
        return this.reading;
      };
      // Half-open, because ending our side is the closing handshake's business; `manualStart` is what net's own
      // server passes to keep the constructor from reading.
      const options = { fd: source, allowHalfOpen: true, manualStart: true, onread: { buffer, callback } };
      this.socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
      this.socket._read = ignore;
    } else {
      this.socket = source;
      source.on('data', (chunk: Buffer) => owner.onBytes(chunk, chunk.length));
      source.pause();
    }
    this.socket.on('end', () => owner.onEnd());
    this.socket.on('error', () => owner.onFailed());
    this.socket.on('close', () => owner.onClosed());
  }

  get fd(): number {
    return descriptorOf(this.socket);
  }

  start(): void {
    if (this.reading || this.socket.destroyed) return;
    this.reading = true;
    const handle = handleOf(this.socket);
    if (!this.raw) {
      this.socket.resume();
    } else if (handle) {
      handle.reading = true;
      if (handle.readStart() !== 0) this.socket.destroy();
    }
  }

  stop(): void {
    this.reading = false;
    if (this.raw) stopReading(this.socket);
    else this.socket.pause();
  }

  /** Ends our side (FIN). */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.reading = false;
    this.socket.destroy();
  }

  /** Closes this descriptor and tells nobody: another one keeps the connection alive, so no FIN is sent. */
  forget(): void {
    this.socket.removeAllListeners();
    this.socket.on('error', ignore);
    this.destroy();
  }
}
