// Server-sent events (HTML Standard §9.2) to one viewer. A WebSocket would say no more: orders go the way of all others,
// with their scopes, keys and audit; and a proxy, a browser or curl that can do HTTP can do this.
import type { ServerResponse } from 'node:http';

/** A viewer that has not taken so much yet gets nothing more for now … */
const MAX_UNREAD_BYTES = 256 * 1024;
/** … and one that takes nothing for so long is let go. */
const MAX_STUCK_MS = 30_000;

export interface EventSink {
  /** It has read enough of what it was given to be given more. */
  readonly ready: boolean;
  /** @param data JSON, which has no line ends */
  send(event: string, data: string): void;
  /** A sign of life: a comment. */
  beat(): void;
  /** @param event why */
  end(event?: string, data?: string): void;
  /** Resolves when nobody reads it any more. */
  readonly closed: Promise<void>;
}

export class EventStream implements EventSink {
  readonly closed: Promise<void>;
  private readonly response: ServerResponse;
  private stuckSince: number | undefined;

  constructor(response: ServerResponse) {
    this.response = response;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      // nginx would wait until it has a page full
      'X-Accel-Buffering': 'no',
    });
    response.flushHeaders();
    // it may have left before this, and says so once
    this.closed = response.closed
      ? Promise.resolve()
      : new Promise((resolve) => response.once('close', resolve));
  }

  get ready(): boolean {
    const { response } = this;
    if (response.destroyed || response.writableEnded) return false;
    if (response.writableLength <= MAX_UNREAD_BYTES) {
      this.stuckSince = undefined;
      return true;
    }
    this.stuckSince ??= Date.now();
    if (Date.now() - this.stuckSince > MAX_STUCK_MS) this.letGo();
    return false;
  }

  send(event: string, data: string): void {
    this.write(`event: ${event}\ndata: ${data}\n\n`);
  }

  beat(): void {
    this.write(':\n\n');
  }

  end(event?: string, data = '{}'): void {
    if (event !== undefined) this.send(event, data);
    if (this.response.writableEnded) return;
    this.response.end();
    // what it does not read would keep it
    const stuck = setTimeout(() => this.letGo(), MAX_STUCK_MS).unref();
    void this.closed.then(() => clearTimeout(stuck));
  }

  /** Not the response alone: that has no connection while another is before it. */
  private letGo(): void {
    this.response.req.socket.destroy();
  }

  private write(text: string): void {
    if (!this.response.writableEnded && !this.response.destroyed) this.response.write(text);
  }
}
