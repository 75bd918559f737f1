import type { OpenAnswer, SocketEvent } from '../events.ts';
import type { Player } from './types.ts';

/** What is known of a player who wants to play, beside who it is. */
export interface TicketWish extends Omit<Player, 'id'> {
  /** Those who name the same party stay together; it is complete with so many players. */
  party?: { id: string; size: number };
  /** For the matchmaker; 4,096 characters of JSON at most. */
  attributes?: Record<string, unknown>;
}

/** Says what a socket searches for, or turns the player away. */
export type TicketOf = (event: SocketEvent) => TicketWish | Rejection | Promise<TicketWish | Rejection>;
export type Rejection = Required<Pick<OpenAnswer, 'reject'>>;

const MAX_ATTRIBUTES_CHARACTERS = 4_096;
const MAX_NAMES = 32;
const MAX_NAME = 128;
/** Sockets of one link. */
export const MAX_PLAYERS = 16;

/**
 * By default a ticket is what the attributes of the socket say: `rating`, `latency`, `roles`, `party` and whatever else.
 * They come from the studio's own answers and `POST /v1/sockets`; what the client says is in `data`, and is not believed.
 */
export const fromAttributes: TicketOf = ({ attributes: { rating, latency, roles, party, ...attributes } }) =>
  ({ rating, latency, roles, party, attributes }) as TicketWish;

/** @throws TypeError that names the field */
export function checkWish(wish: TicketWish): TicketWish {
  const { rating, latency, roles, party, attributes = {} } = wish;
  const wrong = (field: string, expected: string): never => {
    throw new TypeError(`the ticket's ${field} is wrong; expected ${expected}`);
  };
  if (rating && !(Number.isFinite(rating.mu) && rating.sigma >= 0 && Number.isFinite(rating.sigma)))
    wrong('rating', '{ mu, sigma }, two numbers');
  const pings = Object.entries(latency ?? {});
  if (
    pings.length > MAX_NAMES ||
    !pings.every(([region, ms]) => isName(region) && ms >= 0 && Number.isFinite(ms))
  )
    wrong('latency', `milliseconds by region, ${MAX_NAMES} at most`);
  if (
    roles &&
    !(Array.isArray(roles) && roles.length > 0 && roles.length <= MAX_NAMES && roles.every(isName))
  )
    wrong('roles', `1 to ${MAX_NAMES} names`);
  if (
    party &&
    !(isName(party.id) && Number.isInteger(party.size) && party.size >= 1 && party.size <= MAX_PLAYERS)
  )
    wrong('party', `{ id, size }, size from 1 to ${MAX_PLAYERS}`);
  if (JSON.stringify(attributes).length > MAX_ATTRIBUTES_CHARACTERS)
    wrong('attributes', `an object of ${MAX_ATTRIBUTES_CHARACTERS} characters of JSON at most`);
  return wish;
}

const isName = (name: unknown) => typeof name === 'string' && name.length >= 1 && name.length <= MAX_NAME;
