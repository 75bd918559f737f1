// The socket of a client that is in the room of its link: the connection is the room's meanwhile. See rooms.ts.
import { ClientState, matchMaker } from '@colyseus/core';
import { internals, type RoomClient } from '../colyseus/room-internals.ts';
import { type Connection, ReadyState } from '../transport/index.ts';
import type { MessageRate } from './message-rate.ts';
import type { HostedSocket, Visit } from './service.ts';
import { SpeakingRoom } from './speaking-room.ts';
import { controlIn, eventText } from './speech.ts';

/** How a client has left its room. */
export interface Left {
  code: number;
  reason: string;
  /** By which it may come back to the room, if that holds its seat. */
  token?: string | undefined;
}

/** Colyseus' code for whoever leaves by itself. */
const CONSENTED = 4000;
const TEXT = { binary: false };

export abstract class VisitingRoom extends SpeakingRoom {
  visit: Visit | undefined;
  invited: string | undefined;
  seat = '';
  /** By which its client comes back when its network fails. */
  seatToken = '';
  /** Until its client has heard that it is back it speaks to the room that it was in. */
  strays = false;
  abstract readonly rate: MessageRate;

  /** One message more of its client. @returns false when it is closed over it */
  protected abstract withinRate(): boolean;

  get away(): boolean {
    return this.visit?.state === 'inside';
  }

  override get gone(): boolean {
    return this.away ? this.closing : super.gone;
  }

  protected get hosted(): HostedSocket {
    return this as unknown as HostedSocket;
  }

  /** The client enters the room in which it has this seat. @returns false when it has no such seat any more */
  protected enter(sessionId: string): boolean {
    const { visit } = this;
    if (visit?.state === 'entering') return true;
    if (visit?.sessionId !== sessionId) return false;
    visit.state = 'entering';
    SpeakingRoom.service.enter(this.hosted);
    return true;
  }

  depart(): Connection {
    const { client, visit } = this;
    const { ref } = client!;
    const connection = ref as unknown as Connection;
    const { roomId, sessionId } = visit!;
    connection.send(eventText('entered', { roomId, sessionId }), TEXT);
    visit!.state = 'inside';
    this.seat = client!.sessionId;
    this.seatToken = client!.reconnectionToken;
    connection.off('close', connection.onleave!);
    connection.removeAllListeners('message');
    this.clients.delete(client! as never);
    matchMaker.stats.local.ccu--;
    return connection;
  }

  comeHome(client: RoomClient, { code, reason, token }: Left): void {
    const connection = client.ref as unknown as Connection;
    const { visit } = this;
    this.visit = undefined;
    client.state = ClientState.JOINED;
    client.auth = { playerId: this.playerId };
    client.reconnectionToken = this.seatToken;
    client._enqueuedMessages = undefined as never;
    this.clients.push(client);
    matchMaker.stats.local.ccu++;
    if (connection.readyState === ReadyState.CLOSED) {
      if (visit && token !== undefined) this.visit = { ...visit, state: 'offered', token };
      else this.invited = undefined; // it is asked in again
      void internals(this)._onLeave(client, code);
      return;
    }
    connection.speaker = this;
    connection.onleave = (closeCode) => void internals(this)._onLeave(client, closeCode);
    connection.once('close', connection.onleave);
    connection.on('message', (frame: Buffer, isBinary: boolean) =>
      (internals(this)._onMessage as (...args: unknown[]) => void)(client, frame, isBinary),
    );
    this.leave(code, reason);
  }

  stayHome(code: number, reason: string): void {
    this.visit = undefined;
    this.leave(code, reason);
  }

  /** What its client did not say here meanwhile comes now. */
  private leave(code: number, reason: string): void {
    this.rate.returned(this.mapping.maxMessagesPerSecond);
    this.strays = true;
    this.goOn(code, reason);
  }

  /** The socket speaks again, and its client hears what it has missed. */
  protected goOn(code: number, reason: string): void {
    this.connection?.send(eventText('left', { code, reason }), TEXT);
    this.writeOn(this.resume!.unwritten());
    if (!this.closing) SpeakingRoom.service.relinked(this.hosted); // it may have another room by now
  }

  /** @returns whether the client still speaks to a room that it has left */
  protected strayed(frame: Uint8Array, isBinary: boolean): boolean {
    if (!this.strays) return false;
    if (isBinary) return true; // what was on its way to the room
    const said = controlIn(frame);
    if (said && 'back' in said) this.strays = false;
    else this.withinRate();
    return true;
  }

  /** Its client is away: the room that it was about to enter, or was in, may be entered when it is back. */
  protected pauseVisit(): void {
    if (this.visit?.state === 'entering') this.visit.state = 'offered';
  }

  /** It is back. @returns the room that still holds its seat */
  protected resumeVisit(): string | undefined {
    const { visit } = this;
    this.strays = false;
    if (visit?.token === undefined) return undefined;
    if (SpeakingRoom.service.holdsSeat(visit)) return visit.roomId;
    this.visit = undefined;
    this.invited = undefined;
    return undefined;
  }

  /** The connection of its client, which is in a room on another host, is lost. */
  lost(code: number): void {
    SpeakingRoom.service.orphaned(this.hosted, code);
  }

  protected letGo(): void {
    if (this.away) SpeakingRoom.service.letGo(this.hosted);
    else this.connection?.terminate();
  }

  override disconnect(closeCode?: number): Promise<unknown> {
    if (this.away) SpeakingRoom.service.recall(this.hosted, closeCode ?? CONSENTED, '');
    return super.disconnect(closeCode);
  }
}
