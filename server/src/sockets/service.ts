import type { Client } from '@colyseus/core';
import type { RoomClient } from '../colyseus/room-internals.ts';
import type { BatonError } from '../errors.ts';
import type { Mapping } from '../mappings/index.ts';
import type { Connection } from '../transport/index.ts';
import type { CallLine } from './call-line.ts';
import type { GatheredRoom, LinkedRoom, Wish } from './links/index.ts';
import type { MessageRate } from './message-rate.ts';
import type { Form, SocketMessage, Speech } from './speech.ts';
import type { TakenTicket } from './tickets.ts';
import type { TimedSocket } from './timeline.ts';

/** Who opens a socket, and on what. */
export interface Player {
  playerId: string;
  mapping: Mapping;
  /** Of a socket whose id was given out before it opens. */
  socketId?: string;
  attributes?: Record<string, unknown>;
  /** By which it opens. */
  ticket?: TakenTicket;
}

/** A seat that waits for its Colyseus client. */
export interface Seat {
  /** The mapping's. */
  name: string;
  roomId: string;
  sessionId: string;
  processId: string;
}

/** The room of its link, as far as a socket's client has got. */
export interface Visit {
  roomId: string;
  /** Its seat in that room. */
  sessionId: string;
  state: 'offered' | 'entering' | 'inside';
  /** Its client has lost its connection in that room: by this it comes back to the seat, if the room holds it. */
  token?: string;
}

/** What becomes of a client's request: what a function said, `value` undefined for nothing, or why there is no answer. */
export type Answer = { value: unknown } | { error: BatonError };

/** A hosted socket as the service sees it; its room. */
export interface HostedSocket extends LinkedRoom, GatheredRoom, TimedSocket {
  readonly roomId: string;
  /** As it was when the socket was opened, or a later version that says it is adopted. */
  mapping: Mapping;
  readonly playerId: string;
  /** By which it opens, until it has. */
  ticket: TakenTicket | undefined;
  readonly speech: Speech;
  readonly remoteAddress: string | undefined;
  /** Date.now() ms. */
  readonly openedAt: number;
  readonly clients: ArrayLike<Client>;
  readonly connection: Connection | undefined;
  status: 'opening' | 'open' | 'waiting' | 'linked';
  /** Sockets it is linked with. */
  readonly peers: readonly string[];
  /** What its functions said should be kept on it. */
  attributes: Record<string, unknown> | undefined;
  /** How fast its client speaks. */
  readonly rate: MessageRate;
  /** Its calls that wait, and what is to become one. */
  readonly calls: CallLine;
  /** Its client has lost its connection, and has not come back yet. */
  readonly absent: boolean;
  /** Closes it when its client has said nothing for longer than its mapping allows. @param now Date.now() ms */
  closeIfIdle(now: number): void;
  /** As much waits for its client's return as should. */
  readonly crowded: boolean;
  /** Takes data of the peer. @returns whether its client can hear such data */
  deliver(bytes: Uint8Array, form: Form): boolean;
  /** Says to the client what a function said: bytes, text or any JSON value. */
  tell(value: unknown): void;
  /** Tells a client that does not see it otherwise that its socket is open. */
  begun(): void;
  /** Tells the client an event of the service. */
  say(event: string, payload: object): void;
  /** Tells it to a client of baton.resume.v1 only. */
  inform(event: string, payload: object): void;
  /** Answers a request of the client. */
  answer(request: number, answer: Answer): void;
  /** Something is to be said of the counting of messages, or looked at. @returns whether it is to be asked again */
  beat(now: number): boolean;
  /** The open function has answered. */
  answered(waits: boolean): void;
  /** Closes it over what its client did. */
  end(closeCode: number, error: BatonError): void;
  /** Closes it because a function, or the control API, says so. */
  dismiss(closeCode: number, reason: string, by: 'function' | 'deleted'): void;
  /** Who has closed it. */
  readonly dismissed: 'function' | 'deleted' | undefined;
  visit: Visit | undefined;
  /** The room that it was offered last. */
  invited: string | undefined;
  /** Its client is in the room, with its connection. */
  readonly away: boolean;
  /** Its client's session in its own room. */
  readonly seat: string;
  /** Gives its client's connection away, for the room. */
  depart(): Connection;
  /** Its client is back, or its connection is closed. @param left how it left the room, and how it may go back there */
  comeHome(client: RoomClient, left: { code: number; reason: string; token?: string | undefined }): void;
  /** Its client cannot enter the room. */
  stayHome(code: number, reason: string): void;
}

/** What a socket's room asks of the process it runs in. */
export interface SocketService {
  /** @throws what its client is to be told: the socket does not open */
  opened(room: HostedSocket, options: unknown): Promise<void>;
  closed(room: HostedSocket, code: number | undefined): Promise<void>;
  arrived(room: HostedSocket, from: string): void;
  /** Its client has lost its connection, and may come back. */
  dropped(room: HostedSocket): void;
  /** Its client is back. */
  returned(room: HostedSocket): void;
  /** The socket has other peers than before, or waits for some. */
  relinked(room: HostedSocket): void;
  /** The link that the socket waited for was not made. */
  linkFailed(room: HostedSocket, error: { code: string; message: string }): void;
  /** What the control API wants of a socket's links. @throws why that is not done */
  wish(room: HostedSocket, wish: Wish): Promise<{ waits: boolean; peers: string[] }>;
  /** Gives the receive function what the client said. @param message lent */
  received(room: HostedSocket, message: SocketMessage): void;
  /** The same of a request, which is answered. @param message lent */
  asked(room: HostedSocket, message: SocketMessage, request: number): void;
  /** The client is to be told before long what was heard of it. */
  confirmLater(room: HostedSocket): void;
  /** Less waits for its client than before: those who wait for that are read again. */
  eased(room: HostedSocket): void;
  /** The socket has peers now, or has lost them. */
  changed(room: HostedSocket, change: 'linked' | 'unlinked', peers: string[]): void;
  local(socketId: string): HostedSocket | undefined;
  /** Its client enters the room that it was offered. */
  enter(room: HostedSocket): void;
  /** Its client has to come back from the room that it is in. */
  recall(room: HostedSocket, code: number, reason: string): void;
  /** Whether the room still holds the seat of a client that lost its connection there. */
  holdsSeat(visit: Visit): boolean;
  /** The connection of a client that is in a room is to end. */
  letGo(room: HostedSocket): void;
  /** The connection of a client that is away is lost. */
  orphaned(room: HostedSocket, code: number): void;
}
