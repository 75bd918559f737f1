// A room of one seat. Its client may lose its connection, and come back within a time; until then, and until it says that
// it listens again, what it is to hear is kept.
import { type Client, ClientState, Room } from '@colyseus/core';
import { internals, type RoomClient } from '../colyseus/room-internals.ts';
import { trackOf } from '../migration/index.ts';
import type { Connection } from '../transport/index.ts';
import { Absence, wasCut } from './absence.ts';
import { frameOf } from './speech.ts';

/** Who waits for a room's client to be away. */
const waiters = new WeakMap<SeatRoom, Set<() => void>>();

export abstract class SeatRoom extends Room {
  override maxClients = 1;
  /** Nothing that its client still says counts. */
  closing = false;
  /** Its client has lost its connection, and has not said yet that it is back. */
  absence: Absence | undefined;
  /** What its client, had it been there, would have been closed with. */
  closedWith: number | undefined;

  /** How long its client may be away (ms); 0 for not at all. */
  protected abstract patience(): number;
  /** Its client has lost its connection, and may come back. */
  protected abstract dropped(): void;
  /** It is back, and has got what was kept for it. */
  protected abstract returned(): void;
  /** More is to be kept for it than may be. */
  protected abstract overflown(): void;

  protected get client(): RoomClient | undefined {
    return this.clients[0] as RoomClient | undefined;
  }

  get connection(): Connection | undefined {
    return this.clients[0]?.ref as Connection | undefined;
  }

  get gone(): boolean {
    const { client, absence } = this;
    if (this.closing) return true;
    return client === undefined ? absence === undefined : client.state === ClientState.LEAVING;
  }

  get absent(): boolean {
    return this.absence !== undefined;
  }

  /** As much waits for its client as should. */
  get crowded(): boolean {
    return this.absence?.full ?? false;
  }

  /** Whether a connection that closes with this code was lost, and its client may come back. */
  protected wasCut(code: number | undefined): boolean {
    return wasCut(code);
  }

  /** Of a client that does not say goodbye; onLeave() follows, at once or when the time for coming back has passed. */
  override onDrop(client: Client, code?: number): void {
    const dropped = client as RoomClient;
    const joined = this.absence !== undefined || dropped._enqueuedMessages === undefined;
    const ms = this.patience();
    if (this.closing || !joined || !this.wasCut(code) || !(ms > 0)) {
      this.closing = true;
      return;
    }
    dropped._enqueuedMessages = undefined; // one that was just coming back is as joined as it was before
    const first = this.absence === undefined;
    this.absence ??= new Absence(client.reconnectionToken);
    this.allowReconnection(client, ms / 1000).catch(() => {});
    if (first) this.dropped();
    for (const tell of waiters.get(this) ?? []) tell();
  }

  /** Resolves when its client is away. */
  protected untilAbsent(): Promise<void> {
    if (this.absence) return Promise.resolve();
    const all = waiters.get(this) ?? new Set();
    waiters.set(this, all);
    return new Promise<void>((resolve) => all.add(resolve)).finally(() => waiters.delete(this));
  }

  override onReconnect(client: Client): void {
    if (this.absence) client.reconnectionToken = this.absence.token;
    trackOf(this).departures.clear(); // there is one seat
  }

  override disconnect(closeCode?: number): Promise<unknown> {
    if (this.absence) this.closedWith ??= closeCode;
    return super.disconnect(closeCode);
  }

  /** A client that comes back before its old connection is known to be cut does not wait for that. */
  override hasReservedSeat(sessionId: string, token?: string): boolean {
    const has = super.hasReservedSeat(sessionId, token);
    if (has && token !== undefined && this.client?.reconnectionToken === token) this.connection?.terminate();
    return has;
  }

  /** @returns the session of the client that has the token, there or away */
  protected sessionOf(token: string): string | undefined {
    if (this.closing) return undefined;
    const held = internals(this)._reconnections[token]?.[0];
    return held ?? this.clients.find(({ reconnectionToken }) => reconnectionToken === token)?.sessionId;
  }

  /** To be called when Colyseus has taken a message of the client: it may be the one that says that it has joined. */
  listens(): void {
    const { absence, client } = this;
    if (!absence || client?.state !== ClientState.JOINED) return;
    this.absence = undefined;
    for (const frame of absence.take()) client.raw(frame);
    this.returned();
  }

  protected message(type: string, value: unknown): void {
    if (this.absence) this.keep(frameOf(type, value));
    else if (value instanceof Uint8Array) this.client?.sendBytes(type, value);
    else this.client?.send(type, value);
  }

  /** @param frame lent */
  protected keep(frame: Uint8Array): void {
    if (!this.closing && !this.absence!.keep(frame)) this.overflown();
  }

  /** Closes the connection; a client that is away need not come back. */
  protected dismissClient(closeCode: number, reason: string): void {
    this.closing = true;
    if (this.absence) {
      this.closedWith = closeCode;
      const { _reconnections, _reservedSeatTimeouts } = internals(this);
      for (const [sessionId, seat] of Object.values(_reconnections)) {
        clearTimeout(_reservedSeatTimeouts[sessionId]);
        seat.reject(false);
      }
    }
    this.client?.leave(closeCode, reason);
  }
}
