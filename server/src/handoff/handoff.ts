// Calls between the processes of one machine, with descriptors: one endpoint a process, found by its socket's path.

import { handoffPeerGone, handoffTimeout } from '../errors.ts';
import { type Log, silentLog } from '../telemetry/index.ts';
import { Callee, type PeerHandler } from './callee.ts';
import { Caller } from './caller.ts';
import { libc } from './libc.ts';
import { errnoName, type Fd, native, type Support } from './native.ts';
import { authenticate, checkPath, listenAt } from './socket-file.ts';
import type { Wait } from './waits.ts';

export interface HandoffOptions {
  /** Absolute path of the Unix socket to listen on; its folder is made with mode 0700 or must have it. */
  path: string;
  log?: Log;
  /** Bytes of one message's payload; default 256 MiB. Larger ones fail with handoffTooLarge. */
  maxMessageBytes?: number;
}

export interface CallOptions {
  /** Must stay open until the call settles, and stay the caller's: on success the peer has its own. */
  fds?: readonly Fd[];
  /** Milliseconds until the call fails with handoffTimeout; default 10,000. */
  timeoutMs?: number;
}

const MAX_MESSAGE_BYTES = 256 << 20;
const CALL_TIMEOUT_MS = 10_000;
const CLOSE_MS = 1000;
const BACKLOG_RETRY_MS = 5;
const ACCEPT_RETRY_MS = 100;
const MAX_CALLEES = 1024;
/** Connecting may work a little later: the peer's backlog is full, or this machine is out of something. */
const NOT_NOW = new Set([libc.EAGAIN, libc.EMFILE, libc.ENFILE, libc.ENOBUFS, libc.ENOMEM]);

export class Handoff {
  readonly path: string;
  readonly #log: Log;
  readonly #limit: number;
  readonly #handlers = new Map<string, PeerHandler>();
  readonly #gone = new Set<(peerPath: string) => void>();
  readonly #callers = new Map<string, Caller>();
  /** Peers that cannot be connected to right now: calls queue up behind one attempt. */
  readonly #connecting = new Map<string, Promise<void>>();
  readonly #callees = new Set<Callee>();
  readonly #listener: { fd: Fd; remove(): void };
  #accepting: Wait | undefined;
  #acceptLater: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /** Whether descriptors can be handed over on this platform, and if not, why. */
  static supported(): Support {
    return libc.supported();
  }

  /** @throws handoffUnsupported, handoffInUse (a living process listens there), invalidOption (path or folder) */
  static async listen(options: HandoffOptions): Promise<Handoff> {
    native();
    return new Handoff(options);
  }

  private constructor({ path, log, maxMessageBytes }: HandoffOptions) {
    this.path = path;
    this.#log = log ?? silentLog;
    this.#limit = maxMessageBytes ?? MAX_MESSAGE_BYTES;
    this.#listener = listenAt(path);
    this.#accept();
  }

  /** Answers `method`; a second handler replaces the first. */
  handle(method: string, fn: PeerHandler): void {
    this.#handlers.set(method, fn);
  }

  /**
   * Calls `method` of the process listening at `peerPath`. Payload and answer are what structured clone takes.
   * Calls may overtake each other once they are larger than a packet (64 KB).
   * @throws what the far handler throws, when that is a BatonError; handoffFailed for anything else.
   * @throws handoffPeerGone, handoffTimeout with `details.delivered`: false means that the far handler did not run and
   *         never will, so that everything in the call may be taken back; true that the peer's process had the call.
   * @throws handoffTooLarge, handoffStranger, handoffProtocol
   */
  async call<T>(peerPath: string, method: string, payload: unknown, options: CallOptions = {}): Promise<T> {
    const { fds = [], timeoutMs = CALL_TIMEOUT_MS } = options;
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      if (this.#closing) throw this.#peerGone(peerPath, method, 'this endpoint is closed');
      const caller = this.#callers.get(peerPath) ?? this.#connect(peerPath, method);
      if (caller) {
        const left = Math.max(1, deadline - Date.now());
        return (await caller.call(method, payload, fds, left)) as T;
      }
      if (Date.now() >= deadline) {
        throw handoffTimeout({ peer: peerPath, method, ms: timeoutMs, delivered: false });
      }
      await this.#backlog(peerPath);
    }
  }

  /**
   * Calls back when no process listens at a path any more with which there was a connection, either way.
   * @returns what stops that
   */
  onPeerGone(fn: (peerPath: string) => void): () => void {
    this.#gone.add(fn);
    return () => void this.#gone.delete(fn);
  }

  /** Takes no new calls, lets running handlers answer for up to a second, and ends every connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#accepting?.cancel();
    clearTimeout(this.#acceptLater);
    this.#listener.remove();
    libc.close(this.#listener.fd);
    const deadline = Date.now() + CLOSE_MS;
    while (Date.now() < deadline && [...this.#callees].some((callee) => !callee.idle)) {
      await new Promise((resolve) => setTimeout(resolve, BACKLOG_RETRY_MS));
    }
    for (const caller of [...this.#callers.values()]) caller.close('this endpoint is closed');
    for (const callee of [...this.#callees]) callee.close('this endpoint is closed');
  }

  // --- calling

  /** @returns undefined when the peer has too many connections waiting to be accepted */
  #connect(peerPath: string, method: string): Caller | undefined {
    checkPath(peerPath);
    const fd = libc.connectPath(peerPath);
    if (NOT_NOW.has(-fd)) return undefined;
    if (fd < 0) throw this.#peerGone(peerPath, method, errnoName(fd));
    try {
      authenticate(fd);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    let caller: Caller | undefined;
    const ended = (byPeer: boolean) => {
      if (!caller) return; // the peer hung up while the connection was being made
      if (this.#callers.get(peerPath) === caller) this.#callers.delete(peerPath);
      if (byPeer) this.#lost(peerPath, caller.heard);
    };
    try {
      caller = new Caller(fd, { peer: peerPath, path: this.path, limit: this.#limit, ended });
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    if (!caller.open) throw this.#peerGone(peerPath, method, 'it closed the connection');
    this.#callers.set(peerPath, caller);
    return caller;
  }

  #peerGone(peer: string, method: string, reason: string) {
    return handoffPeerGone({ peer, method, reason, delivered: false });
  }

  #backlog(peerPath: string): Promise<void> {
    let waiting = this.#connecting.get(peerPath);
    if (!waiting) {
      waiting = new Promise<void>((resolve) => setTimeout(resolve, BACKLOG_RETRY_MS)).finally(() =>
        this.#connecting.delete(peerPath),
      );
      this.#connecting.set(peerPath, waiting);
    }
    return waiting;
  }

  /**
   * A connection with a peer was ended from its side. Whether it is gone, its socket tells: a new connection fails, or
   * is dropped by a dying process without a word, or stays and tells later.
   */
  #lost(peerPath: string, heard: boolean): void {
    if (this.#closing || this.#callers.has(peerPath)) return;
    if ([...this.#callees].some((callee) => callee.path === peerPath)) return;
    if (heard) {
      try {
        // A full backlog is a living peer's.
        this.#connect(peerPath, 'connect');
        return;
      } catch {
        // It is gone.
      }
    }
    this.#log.debug({ peer: peerPath }, 'handoff peer gone');
    for (const fn of [...this.#gone]) {
      try {
        fn(peerPath);
      } catch (err) {
        this.#log.error({ err, peer: peerPath }, 'a peer-gone listener failed');
      }
    }
  }

  // --- answering

  #accept(): void {
    this.#accepting = libc.watchReadable(this.#listener.fd, () => {
      for (;;) {
        const fd = libc.accept(this.#listener.fd);
        if (fd >= 0) this.#accepted(fd);
        else if (fd === -libc.EAGAIN) return;
        // The caller that was next has gone already (accept(2)).
        else if (fd !== -libc.ECONNABORTED) return this.#pauseAccepting(fd);
      }
    });
  }

  /** Whoever waits keeps the listener readable: without a pause this process would spin. */
  #pauseAccepting(errno: number): void {
    this.#log.warn({ errno: errnoName(errno) }, 'a handoff connection cannot be accepted; trying again');
    this.#accepting?.cancel();
    this.#acceptLater = setTimeout(() => this.#accept(), ACCEPT_RETRY_MS);
  }

  #accepted(fd: Fd): void {
    try {
      const credentials = authenticate(fd);
      if (this.#callees.size >= MAX_CALLEES) throw new Error(`more than ${MAX_CALLEES} handoff connections`);
      const callee: Callee = new Callee(fd, credentials, {
        handlers: this.#handlers,
        log: this.#log,
        limit: this.#limit,
        ended: (byPeer) => {
          this.#callees.delete(callee);
          if (byPeer && callee.path !== undefined) this.#lost(callee.path, true);
        },
      });
      this.#callees.add(callee);
    } catch (err) {
      libc.close(fd);
      this.#log.warn({ err }, 'refused a handoff connection');
    }
  }
}
