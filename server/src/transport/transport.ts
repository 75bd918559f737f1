// Colyseus' transport: HTTP by Node, WebSockets by the connections of this folder. It decides nothing about
// where a room lives; the host sets `route` for that, and moves connections with the methods at the end.

import http, { type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { CloseCode, debugAndPrintError, debugConnection, logger, Transport } from '@colyseus/core';
import express, { type Application } from 'express';
import { AddressRanges } from '../address-ranges.ts';
import { portInUse } from '../errors.ts';
import { type AcceptedUpgrade, Acceptor } from './acceptor.ts';
import { BatonClient } from './client.ts';
import { believed, settleAddress } from './client-address.ts';
import { Connection } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import { Entrance, type Reception, type Route } from './entrance.ts';
import { descriptorOf, stopReading } from './inlet.ts';
import { openKernel } from './kernel.ts';
import { type BatonTransportOptions, refuseTls, type Settings, settingsOf } from './options.ts';
import { Outbox } from './outbox.ts';
import { assertVersion, type ConnectionRecord, type UpgradeRecord } from './record.ts';
import { Upgrade } from './upgrade.ts';
import { Visits } from './visits.ts';

/**
 * An idle connection stays for so much longer than the five seconds that its client is told: one that is slow, or on a slow
 * network, may send another request just then, and would be reset (RFC 9112 §9.5).
 */
const KEEP_ALIVE_BUFFER_MS = 10_000;

export class BatonTransport extends Transport {
  /**
   * Asked for each upgrade that names a room. When it answers 'local' synchronously, the room's join begins
   * before anything else can happen.
   */
  route: Route = () => 'local';

  /** Takes upgrades that are to no room. */
  reception: Reception | undefined;

  /** Connections that are lent to rooms. */
  readonly visits = new Visits(() => Connection.absent(this.endpoint));

  private readonly settings: Settings;
  private readonly endpoint: Endpoint & { outbox: Outbox };
  private readonly entrance: Entrance;
  private readonly connections = new Set<Connection>();
  /** Who is believed where clients are; everybody when undefined. */
  private readonly proxies: AddressRanges | undefined;
  private readonly ownsServer: boolean;
  private app: Application | undefined;
  private beats: NodeJS.Timeout | undefined;

  /** @throws invalidOption */
  constructor(options: BatonTransportOptions = {}) {
    super();
    const settings = (this.settings = settingsOf(options));
    if (settings.perMessageDeflate) logger.warn('BatonTransport: perMessageDeflate has no effect.');
    this.proxies = settings.trustProxy && new AddressRanges(settings.trustProxy);
    const outbox = new Outbox();
    this.endpoint = {
      kernel: openKernel(outbox, settings.coalesce),
      outbox,
      limits: { maxPayload: settings.maxPayload, maxFragments: settings.maxFragments },
      maxBufferedOutput: settings.maxBufferedOutput,
      slowReader: settings.slowReader,
      closeTimeoutMs: settings.closeTimeout,
      onViolation: printConnectionError,
      onLentLeft: (client, code, reason) => this.visits.leave(client as BatonClient, code, reason),
      onLentClosed: (connection, code) => this.visits.closed(connection as Connection, code),
      onGone: (connection) => this.connections.delete(connection as Connection),
    };
    this.entrance = new Entrance({
      endpoint: this.endpoint,
      settings,
      route: (roomId, upgrade) => this.route(roomId, upgrade),
      reception: () => this.reception,
      opened: (connection) => this.connections.add(connection),
    });
    this.ownsServer = !settings.noServer;
    const server = settings.server ?? (settings.noServer ? undefined : createServer(settings));
    if (server) this.use(server, 'listening');
  }

  override getExpressApp(): Application {
    if (!this.server) throw new Error('BatonTransport is not attached to an HTTP server.');
    if (!this.app) {
      this.app = express();
      this.server.on('request', this.app);
    }
    return this.app;
  }

  /** Accepts on `listenFd` when that option was given, else on `port`. A failure is the listener's argument. */
  override listen(
    port?: number | string,
    hostname?: string,
    backlog?: number,
    listeningListener?: (error?: Error) => void,
  ): this {
    const { server } = this;
    if (!server) throw new Error('BatonTransport is not attached to an HTTP server.');
    const failed = (error: NodeJS.ErrnoException): void => {
      listeningListener?.(error.code === 'EADDRINUSE' ? portInUse({ port }, error) : error);
    };
    const listening = (): void => {
      server.removeListener('error', failed);
      listeningListener?.();
    };
    server.once('error', failed);
    if (this.settings.listenFd !== undefined) server.listen({ fd: this.settings.listenFd }, listening);
    else server.listen(port as number, hostname, backlog, listening);
    return this;
  }

  /**
   * Uses a server that somebody else started and will close; `filter` says which upgrades are ours.
   * @throws invalidOption for a server with TLS
   */
  attachToServer(
    server: http.Server,
    options: { filter?: (request: IncomingMessage) => boolean } = {},
  ): this {
    refuseTls(server);
    this.use(server, undefined, options.filter);
    this.startBeats();
    return this;
  }

  /** Accepts no more, and closes the connections that are left with 1001. */
  override shutdown(): void {
    clearInterval(this.beats);
    if (this.ownsServer) {
      this.server?.close();
      this.server?.closeIdleConnections();
    }
    for (const connection of this.connections) connection.close(CloseCode.GOING_AWAY);
  }

  override simulateLatency(milliseconds: number): void {
    this.endpoint.outbox.latencyMs = milliseconds > Number.EPSILON ? milliseconds : 0;
  }

  /** How many are open. */
  get connectionCount(): number {
    return this.connections.size;
  }

  // --- for moving connections; all synchronous

  /** Takes an upgrade that another process detached, and the descriptor with it; `route` is asked again. */
  acceptUpgrade(fd: number, record: UpgradeRecord): void {
    assertVersion(record, 'an upgrade record');
    this.entrance.receive(new Upgrade(fd, record, this.endpoint.kernel));
  }

  /**
   * Stops reading and writing. `fd` stays open and this client's until `forget`. What is sent from now on goes
   * out after `reattach` only, and is not in `record`.
   * @throws handoffUnsupported, connectionGone
   */
  detach(client: BatonClient): { fd: number; record: ConnectionRecord } {
    return client.ref.detach();
  }

  /** The move failed: goes on as if `detach` had not been called. */
  reattach(client: BatonClient): void {
    client.ref.resume();
  }

  /** The other process has the connection: closes our descriptor; no close frame, no FIN, no events. */
  forget(client: BatonClient): void {
    this.visits.forget(client);
    client.ref.forget();
  }

  /** A client on a connection another process detached; `fd` is its from now on. Quiet until `resume`. */
  adopt(fd: number, record: ConnectionRecord, sessionId: string): BatonClient {
    const connection = Connection.adopt(this.endpoint, fd, record);
    this.connections.add(connection);
    const client = new BatonClient(sessionId, connection);
    this.visits.arrive(client);
    return client;
  }

  /** Reads and writes from now on. Messages whose bytes were read before are delivered before it returns. */
  resume(client: BatonClient): void {
    client.ref.resume();
  }

  /** Leaves what the client sends in the kernel until `resumeReading`, or until the client moved or was reattached. */
  pauseReading(client: BatonClient): void {
    client.ref.pauseReading(this);
  }

  resumeReading(client: BatonClient): void {
    client.ref.resumeReading(this);
  }

  /** A client whose connection is closed: its seat is held by `allowReconnection`. */
  absentClient(sessionId: string): BatonClient {
    return new BatonClient(sessionId, Connection.absent(this.endpoint));
  }

  // --- upgrades

  private use(
    server: http.Server,
    startBeatsOn: 'listening' | undefined,
    filter?: (request: IncomingMessage) => boolean,
  ): void {
    this.server = server;
    server.on('upgrade', (request, socket, head) => {
      if (!filter || filter(request)) this.onUpgrade(request, socket as Socket, head);
    });
    if (startBeatsOn) {
      server.on('error', (error) => debugAndPrintError(error));
      server.on(startBeatsOn, () => {
        this.startBeats();
        this.acceptFor(server);
      });
    }
    server.on('close', () => clearInterval(this.beats));
  }

  /** From its next connection on. A `verifyClient` is to see the request as Node's server makes it. */
  private acceptFor(server: http.Server): void {
    if (!this.endpoint.kernel || this.settings.verifyClient) return;
    try {
      Acceptor.accept(server, (upgrade) => this.onAccepted(upgrade));
    } catch (error) {
      debugAndPrintError(error as Error); // Node goes on accepting
    }
  }

  private onAccepted({ fd, remoteAddress, head, rest }: AcceptedUpgrade): void {
    const record: UpgradeRecord = {
      v: 1,
      method: 'GET',
      url: head.url,
      httpVersion: '1.1',
      rawHeaders: this.proxies ? believed(head.rawHeaders, remoteAddress, this.proxies) : head.rawHeaders,
      head: rest,
      remoteAddress,
      hops: 0,
      validated: false,
    };
    this.entrance.receive(new Upgrade(fd, record, this.endpoint.kernel));
  }

  private onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (this.endpoint.kernel) stopReading(socket);
    else socket.pause();
    // A request behind another one that is not answered yet: the answers would mix.
    if (socket.writableLength > 0 || (socket as { _httpMessage?: unknown })._httpMessage) {
      socket.destroy();
      return;
    }
    if (this.proxies) settleAddress(request, this.proxies);
    const record: UpgradeRecord = {
      v: 1,
      method: request.method ?? '',
      url: request.url ?? '/',
      httpVersion: request.httpVersion,
      rawHeaders: request.rawHeaders,
      head: new Uint8Array(head),
      remoteAddress: socket.remoteAddress,
      hops: 0,
      validated: false,
    };
    const source = this.bare(socket);
    if (source !== undefined)
      this.entrance.receive(new Upgrade(source, record, this.endpoint.kernel), request);
  }

  /** A descriptor that Node's HTTP server knows nothing of; the socket itself where that cannot be had. */
  private bare(socket: Socket): number | Socket | undefined {
    socket.setNoDelay(true);
    const { kernel } = this.endpoint;
    if (!kernel) return socket;
    try {
      return kernel.dup(descriptorOf(socket));
    } catch (error) {
      debugAndPrintError(error as Error);
      return undefined;
    } finally {
      socket.on('error', ignore);
      socket.destroy();
    }
  }

  /** One interval for all: pings, and ends connections whose peer answers none of them. */
  private startBeats(): void {
    const { pingInterval, pingMaxRetries } = this.settings;
    if (pingInterval === 0 || pingMaxRetries === 0 || this.beats) return;
    this.beats = setInterval(() => {
      for (const connection of this.connections) connection.beat(pingMaxRetries);
    }, pingInterval);
  }
}

function createServer({ maxHeaderSize, headersTimeout }: Settings): http.Server {
  const options = {
    maxHeaderSize,
    headersTimeout,
    keepAliveTimeoutBuffer: KEEP_ALIVE_BUFFER_MS,
    // How often Node looks for such connections, 30 s by default; each holds a descriptor until then.
    connectionsCheckingInterval: Math.min(5_000, headersTimeout || 5_000),
    // Other upgrades (a client offering h2c, say) are to be ignored (RFC 9110 §7.8), which Node does as of 24.9.
    shouldUpgradeCallback: (request: IncomingMessage) =>
      request.headers.upgrade?.toLowerCase() === 'websocket',
  };
  return http.createServer(options);
}

function printConnectionError(error: Error): void {
  debugConnection(error.message);
  debugAndPrintError(`${error.message}\n${error.stack}`);
}

function ignore(): void {}
