// What functions answer for a socket is done: to its client, to what is kept on it, to its link, and to the socket itself.
import { type Room, ServerError } from '@colyseus/core';
import type { Reply } from '../calls/index.ts';
import { internals } from '../colyseus/room-internals.ts';
import type { TenantLog } from '../tenants/index.ts';
import { type Calling, said } from './calling.ts';
import { type Wish, wishOf } from './links/index.ts';
import type { HostedSocket } from './service.ts';
import type { Tickets } from './tickets.ts';
import { note } from './timeline.ts';

export interface RepliesOptions {
  calling: Pick<Calling, 'open' | 'begin'>;
  tickets: Pick<Tickets, 'giveBack'>;
  tenantLog: Pick<TenantLog, 'failed'>;
  /** A socket has other attributes: the list of sockets is to say so. */
  list(room: HostedSocket): void;
  /** Does what a function wants of a socket's link. */
  settle(room: HostedSocket, wish: Wish): void;
}

export class Replies {
  private readonly options: RepliesOptions;

  constructor(options: RepliesOptions) {
    this.options = options;
  }

  /** Calls the open function, and does what it answers. @throws what the client is to be told: the socket does not open */
  async open(room: HostedSocket, options: unknown): Promise<void> {
    const { calling, tenantLog } = this.options;
    let reply: Reply;
    try {
      reply = await calling.open(room, options);
    } catch (error) {
      tenantLog.failed(room, error, 'the open function failed');
      this.giveBackLater(room);
      throw error;
    }
    const { reject } = reply.actions;
    if (reject) {
      this.giveBackLater(room);
      throw new ServerError(reject.code, reject.reason);
    }
    room.ticket = undefined;
    if (room.gone) return;
    room.begun();
    this.say(room, reply);
    const wish = wishOf(reply.actions);
    const waits = wish.peers !== undefined || wish.group !== undefined;
    if (waits) note(room, 'waiting', wish.group?.name ?? wish.peers?.join(', '));
    room.answered(waits);
    this.options.settle(room, wish);
    this.dismiss(room, reply);
    calling.begin(room);
  }

  /** Does what a function answered for a socket that is open. */
  act(room: HostedSocket, reply: Reply): void {
    this.say(room, reply);
    const wish = wishOf(reply.actions);
    if (Object.keys(wish).length > 0) this.options.settle(room, wish);
    this.dismiss(room, reply);
  }

  private say(room: HostedSocket, { actions: { attributes, send }, message }: Reply): void {
    if (attributes) {
      room.attributes = Object.keys(attributes).length > 0 ? attributes : undefined;
      this.options.list(room);
    }
    if (send !== undefined) room.tell(send);
    if (message) room.tell(said(message));
  }

  private dismiss(room: HostedSocket, { actions: { close } }: Reply): void {
    if (close) room.dismiss(close.code, close.reason, 'function');
  }

  /** Who has the token of a socket that does not open may try again, once the room with its id is gone. */
  private giveBackLater(room: HostedSocket): void {
    const { ticket } = room;
    if (!ticket) return;
    room.ticket = undefined;
    const { tickets } = this.options;
    internals(room as unknown as Room)._events.once('dispose', () => void tickets.giveBack(ticket));
  }
}
