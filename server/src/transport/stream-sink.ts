// Writing through a net.Socket, for platforms where libc cannot be called. The stream holds at most its high
// water mark; how much of that the kernel accepted is unknown, so such a connection cannot be detached.

import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Sink } from './output.ts';

export class StreamSink implements Sink {
  readonly EAGAIN = constants.errno.EAGAIN;
  private readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(_fd: number, buffer: Uint8Array, offset: number, length: number): number {
    if (this.socket.destroyed) return -constants.errno.EPIPE;
    if (this.socket.writableNeedDrain) return -this.EAGAIN;
    // The stream may keep what it is given, and this memory is used again.
    this.socket.write(Buffer.from(buffer.subarray(offset, offset + length)));
    return length;
  }

  waitWritable(_fd: number, callback: () => void): { cancel(): void } {
    this.socket.once('drain', callback);
    return { cancel: () => this.socket.removeListener('drain', callback) };
  }
}
