// Plain clients whose sockets are opening. The answer to the upgrade waits a moment for what the function says, so that
// both leave together; when that takes longer the client is answered and heard, and what it says is kept for its room.
import type { PlainClient } from '../transport/index.ts';
import { Pause } from './backpressure.ts';
import { MESSAGE_OVERHEAD } from './resume.ts';
import type { SocketRoom } from './socket-room.ts';

/** How long the answer to an upgrade waits at least for the function's; twice as long at most. */
const GREETING_MS = 4;
/** Bytes that may come before the room is there; then the client's stay in the kernel. */
const MAX_EARLY_BYTES = 64 * 1024;

export class Greetings {
  private due = new Set<Newcomer>();
  private fresh = new Set<Newcomer>();
  private timer: NodeJS.Timeout | undefined;

  /** @param client whose connection is held */
  await(client: PlainClient): Newcomer {
    const newcomer = new Newcomer(client, this);
    this.fresh.add(newcomer);
    this.timer ??= setTimeout(() => this.turn(), GREETING_MS);
    return newcomer;
  }

  forget(newcomer: Newcomer): void {
    if (!this.fresh.delete(newcomer)) this.due.delete(newcomer);
  }

  private turn(): void {
    const { due } = this;
    this.due = this.fresh;
    this.fresh = new Set();
    this.timer = this.due.size > 0 ? setTimeout(() => this.turn(), GREETING_MS) : undefined;
    for (const newcomer of due) newcomer.greet();
  }
}

/** A client between the answer to its upgrade and its seat. */
export class Newcomer {
  private readonly client: PlainClient;
  private readonly greetings: Greetings;
  private room: SocketRoom | undefined;
  private messages: { data: Uint8Array; isBinary: boolean }[] = [];
  private bytes = 0;
  private heard: ((data: Buffer, isBinary: boolean) => void) | undefined;

  constructor(client: PlainClient, greetings: Greetings) {
    this.client = client;
    this.greetings = greetings;
  }

  /** It is answered and heard, though its socket is not open yet. */
  greet(): void {
    this.heard = (data, isBinary) => this.hear(data, isBinary);
    this.client.ref.on('message', this.heard);
    this.client.ref.resume();
  }

  /** The client is the room's, which does not listen to it yet. */
  flowTo(room: SocketRoom): void {
    this.room = room;
    const { messages, client } = this;
    this.messages = [];
    for (const { data, isBinary } of messages) room.hear(client, data, isBinary);
    client.ref.resumeReading(Pause.early);
  }

  /** Its socket is open, or is not to be. */
  end(): void {
    if (this.heard) {
      this.client.ref.off('message', this.heard);
      this.client.ref.resumeReading(Pause.early); // of one that is refused the answer to the farewell has to be read
      return;
    }
    this.greetings.forget(this);
    this.client.ref.resume();
  }

  private hear(data: Buffer, isBinary: boolean): void {
    if (this.room) {
      this.room.hear(this.client, data, isBinary);
      return;
    }
    this.messages.push({ data: Uint8Array.from(data), isBinary });
    this.bytes += data.byteLength + MESSAGE_OVERHEAD;
    if (this.bytes > MAX_EARLY_BYTES) this.client.ref.pauseReading(Pause.early);
  }
}
