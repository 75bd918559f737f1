import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from 'redis';
import { type BatonError, storeUnavailable } from '../../errors.ts';
import type { Log } from '../../telemetry/index.ts';
import { Availability, CLOSED } from '../availability.ts';
import { backoff, deadline, refuse, unawaited } from '../promises.ts';
import type { RedisAddress } from './address.ts';
import { type Script, scripts } from './scripts.ts';

type Client = ReturnType<typeof makeClient>;

/** What the link needs of the ioredis connections that Colyseus' presence and driver make. */
export interface Peer {
  readonly status: string;
  ping(): Promise<unknown>;
  /** With `true` it connects again. */
  disconnect(reconnect?: boolean): void;
  on(event: 'ready' | 'close' | 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

const probeEvery = 1000;
const probeEveryWhileDown = 200;
/** Probes in a row without an answer after which the connections are made anew. */
const hopelessProbes = 5;
const maxQueued = 100_000;
/** A connection that is being made for so long, in ms, is made anew: its handshake may have been lost. */
const hopelessHandshake = 30_000;
const longestTimer = 2 ** 31 - 1;

/**
 * The connection for the registry and the watch over it and Colyseus' own connections: the store counts as
 * connected while all of them are ready and answer. Commands fail at once otherwise, and after `timeoutMs`.
 */
export class RedisLink {
  readonly availability: Availability;
  readonly address: RedisAddress;
  readonly #log: Log;
  readonly #timeoutMs: number;
  readonly #peers: Peer[] = [];
  #client: Client;
  #lastError = 'not connected';
  #watching = false;
  #probing = false;
  #waitingSince: number | undefined;
  #failedProbes = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(o: { address: RedisAddress; timeoutMs: number; log: Log }) {
    this.address = o.address;
    this.#timeoutMs = o.timeoutMs;
    this.#log = o.log;
    this.availability = new Availability(o.address.safe, o.log);
    this.#client = makeClient(o.address);
  }

  /** @throws BATON_STORE_UNAVAILABLE when Redis does not answer within `timeoutMs` */
  static async open(o: { address: RedisAddress; timeoutMs: number; log: Log }): Promise<RedisLink> {
    const link = new RedisLink(o);
    try {
      await link.#bounded('connect', 0, link.#connectOnce());
    } catch (error) {
      link.close();
      throw error;
    }
    return link;
  }

  /** Watches these connections too and waits until all are ready. */
  async watch(peers: Peer[]): Promise<void> {
    for (const peer of peers) {
      this.#peers.push(peer);
      peer.on('ready', () => void this.#probe());
      for (const event of ['close', 'end'] as const)
        peer.on(event, () => this.#notReady('connection closed'));
      peer.on('error', (error) => this.#note(error));
    }
    this.#watching = true;
    for (const start = performance.now(); !this.availability.up; ) {
      if (performance.now() - start > this.#timeoutMs) throw this.unavailable(this.#lastError);
      await this.#probe();
      if (!this.availability.up) await delay(10);
    }
    this.#schedule();
  }

  /** Sends commands of the registry's connection; `what` names them in the error. */
  run<T>(what: string, command: (client: Client) => Promise<T>): Promise<T> {
    return this.guard(what, () => command(this.#client));
  }

  /** Runs a script by its digest, and by its text where the server does not know it yet. */
  script(script: Script, keys: string[], args: string[]): Promise<unknown> {
    return this.run(script.name, async (client) => {
      try {
        return await client.evalSha(script.sha, { keys, arguments: args });
      } catch (error) {
        if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
        return client.eval(script.source, { keys, arguments: args });
      }
    });
  }

  /** Any command on any of the connections: fails at once while the store is away, and is bounded in time. */
  guard<T>(what: string, command: () => Promise<T>): Promise<T> {
    return this.guardFor(what, 0, command);
  }

  /** @param ms what the command may take beyond the usual; `undefined` = as long as it likes */
  guardFor<T>(what: string, ms: number | undefined, command: () => Promise<T>): Promise<T> {
    if (!this.availability.up) return refuse(this.unavailable(this.#closed ? CLOSED : this.#lastError));
    return unawaited(this.#bounded(what, ms, command()));
  }

  #bounded<T>(what: string, extra: number | undefined, answer: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const ms = this.#timeoutMs + (extra ?? 0);
      const expire = () => {
        const reason = `no answer to ${what} within ${ms} ms`;
        this.#notReady(reason);
        reject(this.unavailable(reason));
      };
      const done = extra === undefined ? () => {} : deadline(Math.min(ms, longestTimer), expire);
      answer.then(
        (value) => {
          done();
          resolve(value);
        },
        (error) => {
          done();
          reject(this.#explain(error));
        },
      );
    });
  }

  unavailable(reason: string): BatonError {
    return storeUnavailable({ url: this.address.safe, reason });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#client.destroy();
    for (const peer of this.#peers) peer.disconnect();
    this.availability.set(false, CLOSED);
  }

  async #connectOnce(): Promise<void> {
    this.#listen(this.#client);
    const failed = new Promise<never>((_, reject) => this.#client.once('error', reject));
    failed.catch(() => {});
    const connected = this.#client.connect();
    connected.catch(() => {});
    await Promise.race([connected, failed]);
  }

  #listen(client: Client): void {
    client.on('error', (error: Error) => {
      this.#note(error);
      this.#notReady(this.#lastError);
    });
    client.on('ready', () => void this.#probe());
  }

  /** Without the error itself: those of ioredis carry the command's arguments, a password among them. */
  #note(error: Error): void {
    const text = error.message || (error as NodeJS.ErrnoException).code || error.name;
    const { password } = this.address;
    this.#lastError = password ? text.replaceAll(password, '…') : text;
  }

  /** Redis' own answer to a wrong command is the caller's affair; anything else means it cannot serve now. */
  #explain(error: Error): Error {
    const text = error.message;
    if (/^(WRONGTYPE|ERR) (?!max number of clients)/.test(text)) return new Error(text);
    this.#note(error);
    return this.unavailable(this.#lastError);
  }

  #notReady(reason: string): void {
    if (this.#closed) return;
    this.#lastError = reason;
    if (!this.availability.up) return;
    this.availability.set(false, reason);
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const pause = this.availability.up ? probeEvery : probeEveryWhileDown;
    this.#timer = setTimeout(() => void this.#probe().then(() => this.#schedule()), pause).unref();
  }

  /** Asks every connection for a sign of life. */
  async #probe(): Promise<void> {
    if (this.#probing || this.#closed || !this.#watching) return;
    if (!this.#client.isReady || this.#peers.some((peer) => peer.status !== 'ready')) {
      this.#notReady(this.#lastError);
      this.#waitingSince ??= performance.now();
      if (performance.now() - this.#waitingSince > hopelessHandshake) this.#startOver();
      return;
    }
    this.#waitingSince = undefined;
    this.#probing = true;
    try {
      const client = this.#client;
      const pings = [client.ping(), ...this.#peers.map((peer) => peer.ping())];
      // A restarted server knows no scripts: told once here, not once by each of the first calls.
      if (!this.availability.up) {
        for (const { source } of Object.values(scripts)) pings.push(client.scriptLoad(source));
      }
      await this.#bounded('ping', 0, Promise.all(pings));
      this.#failedProbes = 0;
      if (!this.#closed) this.availability.set(true);
    } catch {
      this.#failedProbes++;
      if (this.#failedProbes >= hopelessProbes) this.#startOver();
    } finally {
      this.#probing = false;
    }
  }

  /** A connection whose peer vanished without a word would wait for TCP to give up, for a quarter of an hour. */
  #startOver(): void {
    if (this.#closed) return;
    this.#failedProbes = 0;
    this.#waitingSince = undefined;
    this.#log.warn({ store: this.address.safe }, 'store gave no sign of life; connecting anew');
    this.#client.destroy();
    this.#client = makeClient(this.address);
    this.#listen(this.#client);
    this.#client.connect().catch(() => {});
    for (const peer of this.#peers) peer.disconnect(true);
  }
}

function makeClient(address: RedisAddress) {
  const { host, port, username, password, db } = address;
  const socket = { host, port, connectTimeout: 2000, reconnectStrategy: backoff };
  return createClient({
    username,
    password,
    database: db,
    socket: address.tls ? { ...socket, tls: true } : socket,
    disableOfflineQueue: true,
    commandsQueueMaxLength: maxQueued,
    maintNotifications: 'disabled',
  });
}
