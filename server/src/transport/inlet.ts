// The reading side of a connection, and how it ends. Reading stops and starts at the descriptor, where no stream
// machinery can start it again behind our back.

import type { Socket } from 'node:net';
import type { Kernel } from './kernel.ts';
import type { Polled } from './poller.ts';

export interface InletOwner {
  /** `chunk[0, length)` was read; valid until this returns. Must not throw. */
  onBytes(chunk: Buffer, length: number): void;
  /** The peer will send nothing more. */
  onEnd(): void;
  /** The descriptor is no longer usable. */
  onFailed(): void;
  /** The descriptor is closed; always some time after `destroy`. */
  onClosed(): void;
}

/** Quiet until `start`. */
export interface Inlet {
  /** -1 when it is closed, or there is none. */
  readonly fd: number;
  start(): void;
  stop(): void;
  /** Ends our side (FIN). */
  end(): void;
  destroy(): void;
  /** Closes this descriptor and tells nobody: another one keeps the connection alive, so no FIN is sent. */
  forget(): void;
}

/** Reads a descriptor, which belongs to it from now on. */
export class KernelInlet implements Inlet, Polled {
  fd: number;
  slot = -1;
  private readonly kernel: Kernel;
  private readonly owner: InletOwner;

  constructor(fd: number, kernel: Kernel, owner: InletOwner) {
    this.fd = fd;
    this.kernel = kernel;
    this.owner = owner;
  }

  start(): void {
    if (this.slot >= 0 || this.fd < 0) return;
    try {
      this.kernel.poller.add(this);
    } catch {
      this.owner.onFailed();
    }
  }

  stop(): void {
    if (this.slot >= 0) this.kernel.poller.remove(this);
  }

  end(): void {
    if (this.fd >= 0) this.kernel.endWriting(this.fd);
  }

  destroy(): void {
    if (this.fd < 0) return;
    this.forget();
    setImmediate(closed, this.owner);
  }

  forget(): void {
    if (this.fd < 0) return;
    this.stop();
    this.kernel.close(this.fd);
    this.fd = -1;
  }

  onRead(buffer: Buffer, length: number): void {
    this.owner.onBytes(buffer, length);
  }

  onReadEnd(): void {
    this.stop();
    this.owner.onEnd();
  }

  onReadFailed(): void {
    this.stop();
    this.owner.onFailed();
  }
}

const closed = (owner: InletOwner): void => owner.onClosed();

/** Reads a socket, where descriptors cannot be copied. */
export class StreamInlet implements Inlet {
  /** Nobody could do anything with it. */
  readonly fd = -1;
  private readonly socket: Socket;

  constructor(socket: Socket, owner: InletOwner) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => owner.onBytes(chunk, chunk.length));
    socket.pause();
    socket.on('end', () => owner.onEnd());
    socket.on('error', () => owner.onFailed());
    socket.on('close', () => owner.onClosed());
  }

  start(): void {
    this.socket.resume();
  }

  stop(): void {
    this.socket.pause();
  }

  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  forget(): void {
    this.socket.removeAllListeners();
    this.socket.on('error', () => {});
    this.destroy();
  }
}

/** The part of libuv's stream handle that is needed to take a socket from Node's HTTP server. */
interface Handle {
  readonly fd: number;
  reading: boolean;
  readStop(): number;
}

const handleOf = (socket: Socket): Handle | undefined =>
  (socket as unknown as { _handle: Handle | null })._handle ?? undefined;

/** Stops reading in this very tick. A paused stream may start reading again (maybeReadMore), so it loses `_read`. */
export function stopReading(socket: Socket): void {
  const handle = handleOf(socket);
  socket._read = () => {};
  if (!handle) return;
  handle.reading = false;
  handle.readStop();
}

/** -1 when the socket is closed, or has no descriptor. */
export function descriptorOf(socket: Socket): number {
  return handleOf(socket)?.fd ?? -1;
}
