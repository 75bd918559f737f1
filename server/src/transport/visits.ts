// Connections that belong to one room and are lent to another: its client speaks to that one for a while, and the
// connection goes back instead of being closed.
import { CloseCode } from '@colyseus/core';
import { BatonClient } from './client.ts';
import type { Connection } from './connection.ts';

/** Whoever lends connections to rooms. */
export interface Lender {
  /** The room is done with its client. @returns false when the home of the connection is not here */
  returned(home: string, client: BatonClient, code: number, reason: string): boolean;
  /** The connection is closed, and the room knows. @param token by which the room takes its client back, if it does */
  lost(home: string, connection: Connection, code: number, token?: string): void;
}

/** What a connection that is closed without a code reports. */
const NO_CODE = CloseCode.NO_STATUS_RECEIVED;

/** Those of this process. */
export class Visits {
  lender: Lender | undefined;
  private readonly clients = new Map<string, BatonClient>();
  private readonly absent: () => Connection;

  /** @param absent makes a connection that is over */
  constructor(absent: () => Connection) {
    this.absent = absent;
  }

  /** A room's client on a connection that is lent; nobody else listens to it. */
  begin(connection: Connection, home: string, sessionId: string): BatonClient {
    connection.lend(home);
    const client = new BatonClient(sessionId, connection);
    this.arrive(client);
    return client;
  }

  /** A client came from another process; its connection may be lent. */
  arrive(client: BatonClient): void {
    const { home } = client.ref;
    if (home !== undefined) this.clients.set(home, client);
  }

  /** Has left for another process. */
  forget(client: BatonClient): void {
    const { home } = client.ref;
    if (home !== undefined && this.clients.get(home) === client) this.clients.delete(home);
  }

  /** The client that a room has on the connection of `home`. */
  of(home: string): BatonClient | undefined {
    return this.clients.get(home);
  }

  /**
   * Takes the connection from the room, for which it closes with this code.
   * @returns the connection, to which nobody listens
   */
  end(client: BatonClient, code: number = NO_CODE): Connection {
    const connection = client.ref;
    const { onleave } = connection;
    this.forget(client);
    connection.lend(undefined);
    connection.onleave = undefined;
    connection.removeAllListeners('message');
    client.ref = this.absent();
    client.ref.onleave = onleave; // the room may yet end by itself
    if (onleave && connection.listeners('close').includes(onleave)) {
      connection.off('close', onleave);
      // no room expects that while it is still busy with what made it end this
      queueMicrotask(() => onleave(code));
    }
    return connection;
  }

  /** The room closes its client. @returns false when the connection is to be closed, because its home is not here */
  leave(client: BatonClient, code: number = NO_CODE, reason = ''): boolean {
    return this.lender?.returned(client.ref.home!, client, code, reason) ?? false;
  }

  closed(connection: Connection, code: number): void {
    const home = connection.home!;
    const token = this.clients.get(home)?.reconnectionToken;
    this.clients.delete(home);
    connection.lend(undefined);
    this.lender?.lost(home, connection, code, token);
  }
}
