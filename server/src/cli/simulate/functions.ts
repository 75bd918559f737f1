import type { FunctionSet, Player } from '@baton/functions';
import {
  type Arrival,
  Crowd,
  type CrowdOptions,
  type Simulation,
  type Waiting,
} from '@baton/functions/simulate';
import { FunctionsFailed, textOf } from './functions-failed.ts';
import { controlApi } from './virtual-network.ts';
import { type ServiceEvents, VirtualService } from './virtual-service.ts';
import type { VirtualSocket } from './virtual-socket.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface FunctionsOptions extends CrowdOptions {
  /** Told now and then how far it is: 0 to 1. */
  progress?(done: number): void;
  /** Told of each call before it is made. */
  calling?: ServiceEvents['calling'];
}

export interface FunctionsSimulation extends Simulation {
  /** How often a link that was wanted was not made, by code. */
  refused: Record<string, number>;
}

/** After the last arrival it goes on for so many milliseconds, as rounds of matchmakers do. */
const LAST_ROUND = 1_000;
/** Real milliseconds. */
const TELL_EVERY = 200;

/**
 * Lets functions match players who come, wait and give up: each opens a socket, and those that are linked play.
 *
 * @param time      in which the functions were loaded, too
 * @param arrivals  who comes and when, the first one first
 * @throws FunctionsFailed when a function does what it may not do, RangeError when an argument is wrong
 */
export async function simulateFunctions(
  time: VirtualTime,
  functions: FunctionSet,
  arrivals: readonly Arrival[],
  options: FunctionsOptions = {},
): Promise<FunctionsSimulation> {
  const crowd = new Crowd(arrivals, options);
  const world = new World(time, functions, crowd, options.calling);
  const end = crowd.end + LAST_ROUND;
  let over = false;
  time.at(end, () => {
    over = true;
  });
  world.begin();
  const failed = (error: unknown) =>
    world.fail(new FunctionsFailed(`a promise was rejected: ${textOf(error)}`, { cause: error }));
  process.on('unhandledRejection', failed);
  try {
    for (let told = time.real; !over; ) {
      await time.quiet();
      if (world.failure) throw world.failure.error;
      if (time.real - told >= TELL_EVERY) {
        told = time.real;
        options.progress?.(time.now / end);
      }
      advance(time);
    }
  } finally {
    process.off('unhandledRejection', failed);
  }
  return { ...crowd.result(end), refused: Object.fromEntries([...world.refused].sort()) };
}

function advance(time: VirtualTime): void {
  try {
    time.advance();
  } catch (error) {
    throw new FunctionsFailed(`a timer has thrown: ${textOf(error)}`, { cause: error });
  }
}

/** A ticket with the sockets of its players. */
interface Party {
  readonly search: Waiting;
  readonly sockets: VirtualSocket[];
}

class World {
  /** What has ended it before its time. */
  failure: { error: unknown } | undefined;
  readonly refused = new Map<string, number>();
  readonly #time: VirtualTime;
  readonly #crowd: Crowd;
  readonly #service: VirtualService;
  /** Of open sockets. */
  readonly #parties = new Map<VirtualSocket, Party>();
  readonly #byId = new Map<string, VirtualSocket>();
  readonly #byPlayer = new Map<string, VirtualSocket>();
  /** Links of those who play. */
  readonly #links = new Map<VirtualSocket, string>();
  /** When it looks for arrivals next. */
  #awaits = Infinity;

  constructor(
    time: VirtualTime,
    functions: FunctionSet,
    crowd: Crowd,
    calling: ServiceEvents['calling'] = () => {},
  ) {
    this.#time = time;
    this.#crowd = crowd;
    this.#service = new VirtualService(functions, {
      calling,
      linked: (socket) => this.#linked(socket),
      unlinked: (socket) => this.#unlinked(socket),
      closed: (socket, by) => this.#closed(socket, by),
      refused: (code) => void this.refused.set(code, (this.refused.get(code) ?? 0) + 1),
      failed: (error) => this.fail(error),
    });
    time.network = controlApi(this.#service);
  }

  fail(error: unknown): void {
    this.failure ??= { error };
  }

  begin(): void {
    this.#awaitNext();
  }

  #awaitNext(): void {
    const at = this.#crowd.next()?.at ?? Infinity;
    if (at >= this.#awaits) return;
    this.#awaits = at;
    this.#time.at(at, () => {
      if (this.#awaits <= this.#time.now) this.#awaits = Infinity;
      this.#arrive();
    });
  }

  #arrive(): void {
    for (let next = this.#crowd.next(); next && next.at <= this.#time.now; next = this.#crowd.next()) {
      const search = this.#crowd.admit();
      if (search) this.#open(search);
    }
    this.#awaitNext();
  }

  #open(search: Waiting): void {
    const { ticket, arrival } = search;
    const party: Party = { search, sockets: [] };
    for (const player of ticket.players) {
      // whoever comes again has left his last match
      this.#leave(this.#byPlayer.get(player.id));
      const known = knownOf(player, ticket);
      const socket = this.#service.open(player.id, known, structuredClone(known));
      party.sockets.push(socket);
      this.#parties.set(socket, party);
      this.#byId.set(socket.roomId, socket);
      this.#byPlayer.set(player.id, socket);
    }
    this.#crowd.count(this.#time.now);
    const until = ticket.createdAt + arrival.patience;
    if (until <= this.#crowd.end + LAST_ROUND) this.#time.at(until, () => this.#giveUp(party));
  }

  #giveUp(party: Party): void {
    if (party.search.outcome !== 'waiting') return;
    this.#crowd.finish(party.search, 'abandoned', this.#time.now);
    this.#dissolve(party);
  }

  /** Those of a party who do not play leave. */
  #dissolve({ sockets }: Party): void {
    for (const socket of sockets) if (!this.#links.has(socket)) this.#leave(socket);
  }

  #leave(socket: VirtualSocket | undefined): void {
    if (socket) this.#service.leave(socket);
  }

  /** A socket has got peers: they play now, or it joins those who do. The first one that hears of it tells of all. */
  #linked({ roomId, link, peers }: VirtualSocket): void {
    // one that has just closed is none of them for long
    const members = [roomId, ...peers].flatMap((id) => this.#byId.get(id) ?? []);
    const come = members.filter((member) => this.#links.get(member) !== link!.id);
    if (members.length < 2 || come.length === 0) return;
    for (const member of come) this.#links.set(member, link!.id);
    this.#play(come, come.length < members.length ? link!.id : undefined);
  }

  #unlinked(socket: VirtualSocket): void {
    if (this.#links.get(socket) !== socket.link?.id) this.#links.delete(socket);
  }

  /** @param backfill the link that they join */
  #play(members: readonly VirtualSocket[], backfill: string | undefined): void {
    const byParty = Map.groupBy(members, (member) => this.#parties.get(member)!);
    const teams = [...byParty].map(([{ search }, sockets]) =>
      sockets.map(({ playerId }) => search.ticket.players.find(({ id }) => id === playerId)!),
    );
    const complete = ({ search, sockets }: Party) =>
      search.outcome === 'waiting' && sockets.every((socket) => this.#links.has(socket));
    const match = {
      teams: [...byParty.keys()].map(({ search }) => [search.ticket]),
      ...(backfill === undefined ? {} : { backfill }),
    };
    const searches = [...byParty.keys()].filter(complete).map(({ search }) => search);
    const ends = this.#crowd.play(this.#time.now, match, teams, searches);
    if (ends === undefined) return;
    this.#time.at(ends, () => {
      for (const member of members) this.#leave(member);
    });
    this.#awaitNext();
  }

  #closed(socket: VirtualSocket, by: 'client' | 'function'): void {
    const party = this.#parties.get(socket)!;
    this.#parties.delete(socket);
    this.#byId.delete(socket.roomId);
    if (this.#byPlayer.get(socket.playerId) === socket) this.#byPlayer.delete(socket.playerId);
    this.#links.delete(socket);
    if (by === 'client' || party.search.outcome !== 'waiting') return;
    this.#crowd.finish(party.search, 'turned-away', this.#time.now);
    this.#dissolve(party);
  }
}

/** What the studio knows of a player, and the player's client says. */
function knownOf({ id: _, ...player }: Player, { id, players, attributes }: Waiting['ticket']) {
  const regions = Object.entries(player.latency ?? {}).sort(([, a], [, b]) => a - b);
  return {
    ...attributes,
    ...player,
    ...(regions.length > 0 ? { region: regions[0]![0] } : {}),
    ...(players.length > 1 ? { party: { id, size: players.length } } : {}),
  };
}
