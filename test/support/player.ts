// A player on the unmodified @colyseus/sdk that counts everything a move must not change.
import { Client, type Room } from '@colyseus/sdk';

export class Player {
  readonly room: Room;
  sent = 0;
  pongs: number[] = [];
  ticks: number[] = [];
  drops = 0;
  leaves: number[] = [];
  reconnects = 0;
  errors: string[] = [];
  /** Longest silence between two messages of the server, in ms. */
  longestGap = 0;
  private lastAt = 0;
  private timer: NodeJS.Timeout | undefined;

  private constructor(room: Room) {
    this.room = room;
    const seen = () => {
      const now = performance.now();
      if (this.lastAt > 0) this.longestGap = Math.max(this.longestGap, now - this.lastAt);
      this.lastAt = now;
    };
    room.onMessage('pong', (n: number) => {
      seen();
      this.pongs.push(n);
    });
    room.onMessage('tick', (n: number) => {
      seen();
      this.ticks.push(n);
    });
    room.onMessage('*', () => {});
    (room as any).onDrop(() => this.drops++);
    (room as any).onReconnect(() => this.reconnects++);
    room.onLeave((code) => this.leaves.push(code));
    room.onError((code, message) => this.errors.push(`${code} ${message}`));
  }

  static async join(
    url: string,
    name: string,
    options: object = {},
    method: 'joinOrCreate' | 'create' = 'joinOrCreate',
  ): Promise<Player> {
    return new Player(await new Client(url)[method](name, options));
  }

  static async joinById(url: string, roomId: string, options: object = {}): Promise<Player> {
    return new Player(await new Client(url).joinById(roomId, options));
  }

  /** Sends `ping` 1, 2, 3 … every `everyMs`. */
  play(everyMs: number): void {
    this.timer = setInterval(() => this.ping(), everyMs);
  }

  ping(): void {
    this.room.send('ping', ++this.sent);
  }

  rest(): void {
    clearInterval(this.timer);
  }

  /** Sends and resolves with the next message of that type. */
  ask<T>(type: string, payload: unknown, answer: string, at?: (message: T) => void, ms = 10_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${answer} within ${ms} ms`)), ms);
      const off = this.room.onMessage(answer, (message: T) => {
        clearTimeout(timer);
        off();
        at?.(message); // in the same turn in which it came: the state is that of the moment
        resolve(message);
      });
      this.room.send(type, payload);
    });
  }

  /** Everything that was lost, doubled, reordered or noticed; empty when a player saw nothing. */
  complaints(): string[] {
    const list: string[] = [];
    check(list, 'pong', this.pongs, this.sent);
    check(list, 'tick', this.ticks, this.ticks.at(-1) ?? 0, this.ticks[0] ?? 1);
    if (this.drops > 0) list.push(`${this.drops} drops`);
    if (this.reconnects > 0) list.push(`${this.reconnects} reconnects`);
    if (this.leaves.length > 0) list.push(`left with ${this.leaves.join()}`);
    if (this.errors.length > 0) list.push(`errors: ${this.errors.join()}`);
    return list;
  }

  async leave(): Promise<void> {
    this.rest();
    await this.room.leave();
  }
}

/** The numbers must be `first`, `first + 1`, … `last`. */
function check(list: string[], what: string, numbers: number[], last: number, first = 1): void {
  for (let i = 0; i < numbers.length; i++) {
    if (numbers[i] !== first + i) {
      list.push(`${what} ${first + i} expected, ${numbers[i]} came (at ${i} of ${numbers.length})`);
      return;
    }
  }
  if (numbers.length !== last - first + 1)
    list.push(`${last - first + 1 - numbers.length} × ${what} missing`);
}
