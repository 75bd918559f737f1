import type { Client, Room } from '@colyseus/sdk';
import type { ChurnResult } from './types.ts';

const reconnectMs = 15_000;
const mostFaults = 5;

/** mulberry32: a generator whose seed tells the whole run. @returns numbers in [0, 1) */
export function seededRandom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let z = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Both together. */
export function addChurn(a: ChurnResult, b: ChurnResult): ChurnResult {
  const reconnected = a.reconnected ?? b.reconnected;
  return {
    joined: a.joined + b.joined,
    left: a.left + b.left,
    dropped: a.dropped + b.dropped,
    ...(reconnected !== undefined && { reconnected: (a.reconnected ?? 0) + (b.reconnected ?? 0) }),
    failed: a.failed + b.failed,
    faults: [...a.faults, ...b.faults],
  };
}

/** A player who joins, stays a while, perhaps loses the connection and comes back, leaves, and starts over. */
export class Churner {
  readonly result: Required<ChurnResult> = {
    joined: 0,
    left: 0,
    dropped: 0,
    reconnected: 0,
    failed: 0,
    faults: [],
  };
  readonly #client: Client;
  readonly #rooms: string[];
  readonly #random: () => number;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;

  constructor(client: Client, rooms: string[], seed: number) {
    this.#client = client;
    this.#rooms = rooms;
    this.#random = seededRandom(seed);
    this.#running = this.#run();
  }

  async stop(): Promise<ChurnResult> {
    this.#stopped.abort();
    await this.#running;
    return this.result;
  }

  async #run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        await this.#visit();
      } catch (error) {
        this.result.failed++;
        if (this.result.faults.length < mostFaults) this.result.faults.push((error as Error).message);
        await this.#pause(200, 200);
      }
    }
  }

  async #visit(): Promise<void> {
    const roomId = this.#rooms[Math.floor(this.#random() * this.#rooms.length)]!;
    const room = await this.#client.joinById(roomId);
    this.result.joined++;
    room.reconnection.minUptime = 0;
    for (const type of ['tick-n', 'kill']) room.onMessage(type, () => {});
    await this.#pause(100, 1200);
    if (this.#random() < 0.5) {
      await this.#drop(room);
      await this.#pause(100, 800);
    }
    await within(reconnectMs, 'leave', room.leave());
    this.result.left++;
  }

  /** Cuts the connection without a close frame; the SDK then comes back by itself. */
  async #drop(room: Room): Promise<void> {
    const back = new Promise<void>((resolve, reject) => {
      room.onReconnect.once(() => resolve());
      room.onLeave((code) => reject(new Error(`not let in again after a drop (${code})`)));
    });
    this.result.dropped++;
    (room.connection.transport as unknown as { ws: { terminate(): void } }).ws.terminate();
    await within(reconnectMs, 'reconnect', back);
    this.result.reconnected++;
  }

  /** Waits a random time, or until the run ends. */
  #pause(least: number, spread: number): Promise<void> {
    const { signal } = this.#stopped;
    const ms = least + this.#random() * spread;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
