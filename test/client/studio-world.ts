// A service with functions that a test answers for, players behind networks that it cuts, and what they hear.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Baton, type BatonSocket, type OpenOptions } from '@baton/client';
import { json, Studio } from '../sockets/studio.ts';
import { Network } from '../support/network.ts';
import { Service, type ServiceOptions, until } from '../support/service.ts';

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');

export class ClientWorld {
  readonly studio: Studio;
  readonly service: Service;
  readonly networks: Network[] = [];
  readonly players: Player[] = [];

  private constructor(studio: Studio, service: Service) {
    this.studio = studio;
    this.service = service;
  }

  static async start(options: ServiceOptions = {}): Promise<ClientWorld> {
    const studio = await Studio.open();
    try {
      const service = await Service.start(path.join(fixtures, 'app.config.ts'), {
        ...options,
        args: ['--mappings', path.join(fixtures, 'mappings.config.ts'), ...(options.args ?? [])],
        env: { FUNCTIONS_URL: studio.url },
      });
      return new ClientWorld(studio, service);
    } catch (error) {
      await studio.close();
      throw error;
    }
  }

  /** A player on a network of its own. */
  async player(
    name: string,
    mapping = 'duel',
    answer: object = {},
    options: Partial<OpenOptions> = {},
  ): Promise<Player> {
    const network = await Network.start(this.service.port);
    this.networks.push(network);
    this.studio.answer(name, 'open', json(answer));
    const connections: WebSocket[] = [];
    class Watched extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        connections.push(this);
      }
    }
    const baton = new Baton(network.url, { WebSocket: Watched });
    const player = new Player(
      name,
      await baton.open(mapping, { token: name, ...options }),
      network,
      connections,
    );
    this.players.push(player);
    return player;
  }

  /** Two that are linked and on one host. */
  async pair(
    name: string,
    mapping?: string,
    answer: object = {},
    options?: Partial<OpenOptions>,
  ): Promise<[Player, Player]> {
    const one = await this.player(`${name}-1`, mapping, {}, options);
    const two = await this.player(`${name}-2`, mapping, { peer: one.socket.id, ...answer }, options);
    await until(() => one.socket.peers.length + two.socket.peers.length === 2, `${name} to be linked`);
    await until(async () => (await this.hostOf(one)) === (await this.hostOf(two)), `${name} to be together`);
    return [one, two];
  }

  async hostOf({ socket }: Player): Promise<string | undefined> {
    return (await this.service.room(socket.id))?.host;
  }

  async stop(): Promise<void> {
    await Promise.all(this.players.map(({ socket }) => socket.close()));
    for (const network of this.networks) network.stop();
    await this.service.stop();
    await this.studio.close();
  }
}

export class Player {
  readonly name: string;
  readonly socket: BatonSocket;
  readonly network: Network;
  readonly connections: WebSocket[];
  readonly heard: (string | Uint8Array)[] = [];
  readonly events: string[] = [];
  readonly errors: string[] = [];
  readonly closes: [number, string][] = [];
  sent = 0;

  constructor(name: string, socket: BatonSocket, network: Network, connections: WebSocket[]) {
    this.name = name;
    this.socket = socket;
    this.network = network;
    this.connections = connections;
    socket.on('message', (data) => this.heard.push(data));
    for (const event of ['peer-drop', 'peer-back', 'peer-left', 'reconnecting', 'resumed'] as const)
      socket.on(event, () => this.events.push(event));
    socket.on('error', ({ code }) => this.errors.push(code));
    socket.on('close', (code, reason) => this.closes.push([code, reason]));
  }

  /** The next numbered message, now and then as bytes. */
  count(): void {
    const n = String(++this.sent);
    this.socket.send(this.sent % 3 === 0 ? Buffer.from(n) : n);
  }

  get numbers(): number[] {
    return this.heard.map((data) => Number(typeof data === 'string' ? data : Buffer.from(data).toString()));
  }

  async hears(data: string, ms?: number): Promise<void> {
    await until(() => this.heard.includes(data), `${this.name} to hear ${data}`, ms);
  }

  async has(event: string, times = 1, ms?: number): Promise<void> {
    const found = () => this.events.filter((name) => name === event).length;
    await until(() => found() >= times, `${this.name} to hear ${event}; it heard ${this.events}`, ms);
  }

  async closed(ms?: number): Promise<[number, string]> {
    await until(() => this.closes.length > 0, `${this.name} to be closed`, ms);
    return this.closes[0]!;
  }
}

/** What is wrong with the numbers that came from `from` to `to`. */
export function lost(from: Player, to: Player): string[] {
  const wrong = to.numbers.flatMap((n, i) => (n === i + 1 ? [] : [`${i + 1} expected, ${n} came`]));
  if (to.heard.length !== from.sent) wrong.push(`${from.sent} sent, ${to.heard.length} came`);
  return wrong.slice(0, 3);
}
