// Sockets that are promised to a player before they open: their id is known, and whoever has the token opens them, once.
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { tokenInvalid } from '../errors.ts';
import type { Store } from '../store/index.ts';
import type { Log } from '../telemetry/index.ts';
import { newId } from './ids.ts';

/** How long a promise holds. */
const TICKET_MS = 5 * 60_000;
const PREFIX = 'baton_socket_';

const ticketSchema = z.object({
  socketId: z.string(),
  tenant: z.string(),
  mapping: z.string(),
  playerId: z.string(),
  attributes: z.record(z.string(), z.unknown()).optional(),
  /** Date.now() ms. */
  expires: z.number(),
});
export type Ticket = z.infer<typeof ticketSchema>;
/** As much of a ticket that was taken as it takes to give it back. */
export interface TakenTicket extends Ticket {
  /** Where it was. */
  key: string;
}

export interface Issued {
  socketId: string;
  token: string;
  /** Unix time in ms. */
  expires: number;
}

/** The store knows a digest only: a token has 256 random bits, which nobody finds by trying. */
const keyOf = (token: string) => `baton:ticket:${createHash('sha256').update(token).digest('base64url')}`;

export const isTicket = (token: string | undefined): token is string => token?.startsWith(PREFIX) ?? false;

export class Tickets {
  private readonly store: Store;
  private readonly log: Log;

  constructor(store: Store, log: Log) {
    this.store = store;
    this.log = log;
  }

  async issue(ticket: Omit<Ticket, 'socketId' | 'expires'>): Promise<Issued> {
    const socketId = newId();
    const token = PREFIX + randomBytes(32).toString('base64url');
    const expires = Date.now() + TICKET_MS;
    await this.store.set(keyOf(token), JSON.stringify({ ...ticket, socketId, expires }), 0, TICKET_MS);
    return { socketId, token, expires };
  }

  /** Takes the ticket: nobody else gets it, unless it is given back. @throws BATON_TOKEN_INVALID */
  async take(tenant: string, mapping: string, token: string): Promise<TakenTicket> {
    const key = keyOf(token);
    const found = await this.store.get(key);
    const ticket = found && ticketSchema.parse(JSON.parse(found.value));
    if (ticket && (ticket.tenant !== tenant || ticket.mapping !== mapping))
      throw tokenInvalid({ reason: 'it is for another mapping' });
    if (!found || !ticket || !(await this.store.del(key, found.version)))
      throw tokenInvalid({ reason: 'it was used already, or has expired' });
    return { ...ticket, key };
  }

  /** What was to open did not: whoever has the token may use it as if it had never been taken. Never rejects. */
  async giveBack({ key, ...ticket }: TakenTicket): Promise<void> {
    const ms = ticket.expires - Date.now();
    if (ms <= 0) return;
    await this.store.set(key, JSON.stringify(ticket), 0, ms).catch((error) => {
      this.log.warn({ socketId: ticket.socketId, err: error }, 'a promised socket is lost');
    });
  }
}
