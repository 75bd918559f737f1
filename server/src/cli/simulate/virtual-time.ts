import { createRequire, syncBuiltinESMExports } from 'node:module';
import { Random } from '@baton/functions/simulate';
import FakeTimers, { type Clock } from '@sinonjs/fake-timers';

/** setTimeout() takes no longer delay: it would be over at once. */
const LONGEST_DELAY = 2 ** 31 - 1;
const FAKED = [
  ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'],
  ...['Date', 'performance', 'hrtime'],
] as const;

const turn = setImmediate;
const realNow = performance.now.bind(performance);
const nodeCrypto: { randomUUID(): string } = createRequire(import.meta.url)('node:crypto');

/** Time, chance and network of this thread are the simulation's until `end()`. Time begins at 0. */
export class VirtualTime {
  /** What fetch() does. */
  network: typeof fetch = async () => {
    throw new TypeError('a simulation has no network');
  };
  readonly #clock: Clock;
  readonly #undo: (() => void)[] = [];

  constructor(seed: number) {
    const chance = new Random(seed, 2);
    this.#clock = FakeTimers.install({ now: 0, toFake: [...FAKED] });
    this.#replace(Math, 'random', chance.next);
    this.#replace(nodeCrypto, 'randomUUID', () => uuid(chance));
    this.#replace(globalThis.crypto, 'randomUUID', () => uuid(chance));
    this.#replace(globalThis.crypto, 'getRandomValues', (into: ArrayBufferView) => fill(into, chance));
    this.#replace(globalThis, 'fetch', (...given: Parameters<typeof fetch>) => this.network(...given));
    // what modules have imported by name
    syncBuiltinESMExports();
  }

  /** Milliseconds. */
  get now(): number {
    return this.#clock.now;
  }

  /** Milliseconds that are real, from any beginning. */
  get real(): number {
    return realNow();
  }

  /** Resolves when nothing happens any more unless time goes on. */
  quiet(): Promise<void> {
    return new Promise((resolve) => turn(resolve));
  }

  /** On to the next timer, which is due then. Throws what it throws. */
  advance(): void {
    this.#clock.next();
  }

  /** Does `work` at a moment, however far away. */
  at(moment: number, work: () => void): void {
    const left = moment - this.now;
    if (left <= LONGEST_DELAY) setTimeout(work, left);
    else setTimeout(() => this.at(moment, work), LONGEST_DELAY);
  }

  end(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
    this.#clock.uninstall();
    syncBuiltinESMExports();
  }

  #replace(on: object, name: string, value: unknown): void {
    const own = Object.getOwnPropertyDescriptor(on, name);
    Object.defineProperty(on, name, { value, configurable: true, writable: true });
    this.#undo.push(() => {
      if (own) Object.defineProperty(on, name, own);
      else Reflect.deleteProperty(on, name);
    });
  }
}

function fill<T extends ArrayBufferView>(into: T, chance: Random): T {
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  for (let i = 0; i < bytes.length; i++) bytes[i] = chance.next() * 256;
  return into;
}

/** RFC 9562 section 5.4. */
function uuid(chance: Random): string {
  const bytes = fill(new Uint8Array(16), chance);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
