import { z } from 'zod';
import { duration } from '../duration.ts';
import { endpoint } from './endpoint.ts';
import { receive } from './receive.ts';

const HELD_BYTES = 64 * 1024;
/** What a mapping may say at most. */
const MOST_HELD_BYTES = 1024 * 1024;

const fields = z.strictObject({
  /** Runs when a socket opens; answers with the peer's socket id, or with nothing to wait to be found. */
  open: endpoint,
  /** Runs when a socket has closed. */
  close: endpoint.optional(),
  /** How long a socket waits for a peer that is not open yet. */
  waitTimeout: duration.pipe(z.number().max(3_600_000)).default(60_000),
  /** What happens to the one whose peer left. */
  onPeerLeave: z.enum(['close', 'wait', 'keep']).default('keep'),
  /** How long a socket waits for its Colyseus client whose connection was lost; 0 for not at all. */
  reconnectTimeout: duration.pipe(z.number().max(300_000)).default(10_000),
  /** A socket whose client says nothing for so long is closed; 0 for never. Pings do not count. */
  idleTimeout: duration.pipe(z.number().max(86_400_000)).default(0),
  /** Messages a client may send within a second; past it its socket is closed. */
  maxMessagesPerSecond: z.number().int().min(1).max(1_000_000).default(2_000),
  /**
   * Bytes held back for a peer. Beyond it a socket that waits for a peer is closed, and one whose peer is only on its
   * way to its host is not read for a while. One message may exceed it.
   */
  maxHeld: z.number().int().min(0).max(MOST_HELD_BYTES).default(HELD_BYTES),
  /**
   * What a peer cannot take at once, because it reads slowly, has lost its connection or is in a room, it does not get,
   * and nobody is slowed down over it.
   */
  volatile: z.boolean().default(false),
  /** What a new version means for sockets that are open: they `keep` theirs, or `adopt` the new one. */
  onUpdate: z.enum(['keep', 'adopt']).default('keep'),
  /** Where a message goes: to the peers, to the endpoint of `receive`, or to both. */
  forward: z.enum(['peers', 'endpoint', 'both']).default('peers'),
  /** Gets what the client sends. */
  receive: receive.optional(),
  /** Runs when the socket was linked. */
  linked: endpoint.optional(),
  /** Runs when a peer has left, or the link has ended. */
  unlinked: endpoint.optional(),
});

/** One function mapping as it is written in baton.config. */
export const mappingSchema = fields.refine(
  ({ forward, receive }) => (forward === 'peers') === (receive === undefined),
  {
    path: ['forward'],
    error: ({ input }) =>
      (input as { receive?: unknown }).receive === undefined
        ? 'there is no receive endpoint to forward messages to'
        : 'with "peers" receive is never called: say "endpoint" or "both"',
  },
);

/** A mapping as sockets have it: a socket keeps the version it was opened with. */
export interface Mapping extends z.infer<typeof mappingSchema> {
  tenant: string;
  name: string;
  /** Grows with each change of it. */
  version: number;
}

/** Names are used as Colyseus room names. */
export const mappingName = z
  .string()
  .regex(/^[A-Za-z][\w-]{0,63}$/, 'a letter, then letters, digits, _ or -');
