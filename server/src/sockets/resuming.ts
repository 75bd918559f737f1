// How a client goes on with its socket on another connection: an upgrade that names the socket, with the secret that only
// its client has. Any host takes it, and the one that has the socket answers.
import { createAuthContext } from '@colyseus/core';
import { BatonError, resumeFailed } from '../errors.ts';
import { trackOf } from '../migration/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { Arrival } from '../transport/index.ts';
import { newId } from './ids.ts';
import { RESUME, refuse } from './refusal.ts';
import type { SocketRoom } from './socket-room.ts';

/** The secret comes as a sub-protocol, which browsers can send along: this, and the secret. */
const SECRET_PROTOCOL = 'baton.secret.';

export interface ResumingOptions {
  log: Log;
  /** Hands an upgrade over to the host of a socket, unless that is this one, or none. */
  route(socketId: string, arrival: Arrival): 'local' | Promise<'local' | 'handed'>;
  /** A socket of this host. */
  resumable(socketId: string): SocketRoom | undefined;
}

export class Resuming {
  private readonly options: ResumingOptions;
  /** Sockets whose clients are just coming back: of several connections the last one counts. */
  private readonly turns = new WeakMap<SocketRoom, Promise<unknown>>();

  constructor(options: ResumingOptions) {
    this.options = options;
  }

  async take(arrival: Arrival, socketId: string): Promise<void> {
    const { route, resumable, log } = this.options;
    const where = route(socketId, arrival);
    if (where !== 'local' && (await where) === 'handed') return;
    const room = resumable(socketId);
    const client = arrival.accept(newId(), RESUME);
    if (!client) return;
    try {
      const { secret, received } = resumptionOf(arrival);
      // nobody learns from the answer which sockets there are
      if (!room?.resume?.matches(secret))
        throw resumeFailed({ reason: 'it is closed, or belongs to another client' });
      const context = createAuthContext({ headers: arrival.headers, token: null });
      const before = this.turns.get(room) ?? Promise.resolve();
      const turn = before.catch(() => {}).then(() => room.takeBack(client, context, received));
      this.turns.set(room, turn);
      await trackOf(room).follow('resumption', turn);
    } catch (error) {
      const known = error instanceof BatonError ? error : resumeFailed({ reason: 'it came too late' }, error);
      refuse(client, RESUME, known, log);
    }
  }
}

/** @throws BATON_RESUME_FAILED */
function resumptionOf({ address, protocols }: Arrival): { secret: string; received: number } {
  const secret = [...protocols].find((name) => name.startsWith(SECRET_PROTOCOL));
  const received = Number(address.searchParams.get('received') ?? Number.NaN);
  if (secret === undefined || !Number.isSafeInteger(received) || received < 0)
    throw resumeFailed({ reason: 'secret or count is missing' });
  return { secret: secret.slice(SECRET_PROTOCOL.length), received };
}
