import { chmod, mkdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { BatonError, invalidOption, invalidRequest, storeInUse } from '../../errors.ts';
import type { Log } from '../../telemetry/index.ts';
import { check } from '../schema.ts';
import { Keyspace } from './keyspace.ts';
import { Listings } from './listings.ts';
import type { Caller, State } from './method.ts';
import { methods } from './methods.ts';
import { leave } from './presence-methods.ts';
import { Records } from './records.ts';
import { Registry } from './registry.ts';
import { FrameReader, FrameWriter, frame, type WireError, wireLimits } from './wire.ts';

/** Linux' `sun_path` holds 108 bytes with the terminating zero; macOS' holds 104. */
const longestPath = process.platform === 'linux' ? 107 : 103;

/**
 * The embedded store itself: holds everything in memory and serves it on a Unix socket that only its own user
 * may open. The supervisor runs it; hosts reach it with `openStore({ kind: 'embedded', path })`.
 */
export class EmbeddedStoreServer {
  readonly path: string;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #log: Log;
  readonly #state: State = {
    registry: new Registry(),
    records: new Records(),
    keyspace: new Keyspace(),
    listings: new Listings(),
    topics: new Map(),
  };

  private constructor(path: string, log: Log) {
    this.path = path;
    this.#log = log;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /**
   * @param o.path Unix socket; its directory is made (0700) if it does not exist; a socket that a dead process
   *   left there is replaced
   * @throws BATON_STORE_IN_USE if a living process answers at `path`; BATON_INVALID_OPTION if the path is too long
   */
  static async listen(o: { path: string; log: Log }): Promise<EmbeddedStoreServer> {
    if (Buffer.byteLength(o.path) > longestPath) {
      throw invalidOption({ option: 'store path', reason: `longer than ${longestPath} bytes: ${o.path}` });
    }
    await mkdir(dirname(o.path), { recursive: true, mode: 0o700 });
    const store = new EmbeddedStoreServer(o.path, o.log);
    try {
      await store.#listen();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      if (await answers(o.path)) throw storeInUse({ path: o.path });
      await unlink(o.path);
      await store.#listen();
    }
    await chmod(o.path, 0o600);
    return store;
  }

  /** Closes every connection and removes the socket; what the store held is gone. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // Until chmod, nobody else may connect either; threads other than the main one cannot set the mask.
      const mask = setMask(0o177);
      try {
        this.#server.listen(this.path, () => {
          this.#server.off('error', reject);
          this.#server.on('error', (error) => this.#log.error({ err: error }, 'embedded store'));
          resolve();
        });
      } finally {
        if (mask !== undefined) setMask(mask);
      }
    });
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket);
    const connection = new Connection(socket, this.#state);
    socket.on('data', (chunk) => {
      try {
        connection.read(chunk as Buffer);
      } catch (error) {
        this.#log.warn({ err: error }, 'embedded store: a connection sent what is no request; closed it');
        socket.destroy();
      }
    });
    socket.on('error', (error) => this.#log.debug({ err: error }, 'embedded store: a connection broke'));
    socket.on('close', () => {
      this.#connections.delete(socket);
      leave(this.#state, connection);
    });
  }
}

/** One client: reads requests, answers each in turn. */
class Connection implements Caller {
  readonly topics = new Set<string>();
  readonly waits = new Set<() => void>();
  readonly #state: State;
  readonly #writer: FrameWriter;
  readonly #reader: FrameReader;

  constructor(socket: Socket, state: State) {
    this.#state = state;
    this.#writer = new FrameWriter(socket);
    this.#reader = new FrameReader(wireLimits.request, (message) => this.#serve(message));
  }

  read(chunk: Buffer): void {
    this.#reader.push(chunk);
    this.#writer.flush();
  }

  push(message: Buffer): void {
    this.#writer.send(message);
  }

  #serve(message: unknown): void {
    if (!Array.isArray(message)) throw new TypeError('a request is an array');
    const [id, name, args] = message as unknown[];
    if (!Number.isSafeInteger(id) || (id as number) < 1 || typeof name !== 'string') {
      throw new TypeError('a request starts with its id and a method');
    }
    try {
      const method = methods.get(name);
      if (!method) throw invalidRequest({ reason: `store: there is no method ${name.slice(0, 64)}` });
      const given = Array.isArray(args) ? args.map((value) => value ?? undefined) : args;
      const result = method.run(this.#state, check(name, method.args, given), this);
      if (result instanceof Promise) {
        result.then(
          (value) => this.#reply(id as number, value),
          (error) => this.#refuse(id as number, error),
        );
      } else {
        this.#reply(id as number, result);
      }
    } catch (error) {
      this.#refuse(id as number, error);
    }
  }

  #reply(id: number, result: unknown): void {
    const framed = frame(result === undefined ? [id] : [id, result]);
    if (framed.length <= wireLimits.reply) this.#writer.send(framed);
    else this.#refuse(id, invalidRequest({ reason: `store: the answer has ${framed.length} bytes` }));
  }

  #refuse(id: number, error: unknown): void {
    const plain: WireError =
      error instanceof BatonError ? error.toJSON() : { message: error instanceof Error ? error.message : '' };
    this.#writer.send(frame([id, undefined, plain]));
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.on('connect', () => settle(true));
    socket.on('error', () => settle(false));
  });
}

function setMask(mask: number): number | undefined {
  try {
    return process.umask(mask);
  } catch {
    return undefined;
  }
}
