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
}

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
  /** Its client is back, or its connection is closed. @param left how it left the room */
  comeHome(client: RoomClient, left: { code: number; reason: string }): void;
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
  /** The socket has peers now, or has lost them. */
  changed(room: HostedSocket, change: 'linked' | 'unlinked', peers: string[]): void;
  local(socketId: string): HostedSocket | undefined;
  /** Its client enters the room that it was offered. */
  enter(room: HostedSocket): void;
  /** Its client has to come back from the room that it is in. */
  recall(room: HostedSocket, code: number, reason: string): void;
  /** The connection of a client that is away is lost. */
  orphaned(room: HostedSocket, code: number): void;
}
