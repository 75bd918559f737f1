// A service with mappings, its function process, and players on the unmodified SDK.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Room } from '@colyseus/sdk';
import { nodeArgs, Service, type ServiceOptions, until } from '../support/service.ts';

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');

export interface Call {
  path: string;
  method: string;
  headers: Record<string, string>;
  body: string;
}

/** What of a socket a call passes on. */
export const attributesOf = ({ headers }: Call): unknown => {
  const header = headers['ce-attributes'];
  return header === undefined ? undefined : JSON.parse(decodeURIComponent(header));
};

export class Functions {
  readonly url: string;
  readonly calls: Call[] = [];
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.url = `http://127.0.0.1:${port}/`;
    child.on('message', (call: Call) => this.calls.push(call));
  }

  static async start(): Promise<Functions> {
    const child = spawn(process.execPath, [...nodeArgs, path.join(fixtures, 'functions.ts')], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const { port } = await new Promise<{ port: number }>((resolve, reject) => {
      child.once('message', (message) => resolve(message as { port: number }));
      child.once('exit', () => reject(new Error('the function process ended')));
    });
    return new Functions(child, port);
  }

  /** Calls of a type for a socket or a player. */
  of(type: 'open' | 'close', about: string): Call[] {
    return this.calls.filter(
      ({ headers }) =>
        headers['ce-type'] === `baton.socket.${type}` &&
        (headers['ce-subject'] === about || headers['ce-playerid'] === about),
    );
  }

  /** The calls of a type for a socket or a player, when there are any. */
  async have(type: 'open' | 'close', about: string): Promise<Call[]> {
    await until(() => this.of(type, about).length > 0, `the ${type} call of ${about}`);
    return this.of(type, about);
  }

  /** The socket a player's open call was made for. */
  async socketOf(playerId: string): Promise<string> {
    return (await this.have('open', playerId))[0]!.headers['ce-subject']!;
  }

  release(socketId: string, answer: unknown): void {
    this.child.send({ release: socketId, answer });
  }

  stop(): void {
    this.child.disconnect();
  }
}

export class World {
  readonly service: Service;
  readonly functions: Functions;
  private readonly players: Player[] = [];

  private constructor(service: Service, functions: Functions) {
    this.service = service;
    this.functions = functions;
  }

  static async start(options: ServiceOptions = {}): Promise<World> {
    const functions = await Functions.start();
    try {
      const service = await Service.start(path.join(fixtures, 'app.config.ts'), {
        ...options,
        args: [
          ...['--mappings', path.join(fixtures, 'baton.config.ts')],
          // with the embedded store this is so
          ...(options.redis ? ['--dev'] : []),
          ...(options.args ?? []),
        ],
        env: { FUNCTIONS_URL: functions.url, ...options.env },
      });
      return new World(service, functions);
    } catch (error) {
      functions.stop();
      throw error;
    }
  }

  /** @param answer what the mapping's function answers, where it lets the client say so */
  async open(mapping: string, token: string, answer?: unknown): Promise<Player> {
    return this.add(await new Client(this.service.url).joinOrCreate(mapping, { token, answer }), token);
  }

  /** Opens a socket whose function answers when `release` is called. */
  async openHeld(mapping: string, token: string): Promise<Held> {
    const joined = new Client(this.service.url).joinOrCreate(mapping, { token, hold: true });
    const socketId = await Promise.race([
      this.functions.socketOf(token),
      joined.then(() => Promise.reject(new Error('it was not held'))),
    ]);
    return {
      socketId,
      release: async (answer) => {
        this.functions.release(socketId, answer);
        return this.add(await joined, token);
      },
    };
  }

  /** Opens a socket under an id chosen beforehand. */
  async openAs(mapping: string, socketId: string, token: string): Promise<Player> {
    const seat = await fetch(`${this.service.url}/seat/${mapping}/${socketId}/${token}`);
    return this.add(
      await new Client(this.service.url).consumeSeatReservation((await seat.json()) as any),
      token,
    );
  }

  /** What the control API asks of a socket's links. */
  async links(socketId: string, method: 'link' | 'unlink', body: object = {}): Promise<any> {
    const response = await fetch(`${this.service.url}/links/${socketId}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return response.json();
  }

  add(room: Room, token: string): Player {
    const player = new Player(room, token);
    this.players.push(player);
    return player;
  }

  /** A pair that is linked and on one host. */
  async pair(mapping: string, name: string): Promise<[Player, Player]> {
    const one = await this.open(mapping, `${name}-1`);
    const two = await this.open(mapping, `${name}-2`, { peer: one.id });
    await Promise.all([one.linked(two), two.linked(one)]);
    return [one, two];
  }

  async hostOf(player: Player): Promise<string | undefined> {
    return (await this.service.room(player.id))?.host;
  }

  async together(...players: Player[]): Promise<void> {
    await until(async () => {
      const hosts = await Promise.all(players.map((player) => this.hostOf(player)));
      return hosts[0] !== undefined && new Set(hosts).size === 1;
    }, 'linked sockets to be on one host');
  }

  /** A socket on another host than `one`, whose function answers when it is released. */
  async openHeldApart(mapping: string, token: string, one: Player): Promise<Held> {
    const room = async (id: string) => (await this.service.room(id))?.host;
    for (let i = 0; i < 10; i++) {
      const held = await this.openHeld(mapping, `${token}-${i}`);
      if ((await room(held.socketId)) !== (await room(one.id))) return held;
      await held.release({}); // it stays, so that the next one goes elsewhere
    }
    throw new Error('every socket opened on the same host');
  }

  async leaveAll(): Promise<void> {
    await Promise.all(this.players.map((player) => player.leave()));
  }

  async stop(): Promise<void> {
    await this.leaveAll();
    await this.service.stop();
    this.functions.stop();
  }
}

interface Held {
  socketId: string;
  release(answer: unknown): Promise<Player>;
}

/** One socket, and everything its client heard. */
export class Player {
  readonly room: Room;
  readonly token: string;
  readonly events: { type: string; data: any }[] = [];
  readonly closes: { code: number; reason?: string }[] = [];
  drops = 0;
  sent = 0;
  private wake: (() => void)[] = [];

  constructor(room: Room, token: string) {
    this.room = room;
    this.token = token;
    room.onMessage('*', (type, data) => this.heard(String(type), data));
    room.onDrop(() => this.drops++);
    room.onLeave((code, reason) => {
      this.closes.push({ code, reason });
      this.heard('close', code);
    });
  }

  get id(): string {
    return this.room.roomId;
  }

  /** Payloads of all events of a type. */
  of(type: string): any[] {
    return this.events.filter((event) => event.type === type).map((event) => event.data);
  }

  async have(type: string, count = 1, ms = 10_000): Promise<any[]> {
    const until = Date.now() + ms;
    while (this.of(type).length < count) {
      const left = until - Date.now();
      if (left <= 0) {
        const heard = JSON.stringify(this.events.slice(-8));
        throw new Error(
          `${this.token} heard ${this.of(type).length} × ${type} within ${ms} ms; last: ${heard}`,
        );
      }
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.wake.push(resolve);
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
    return this.of(type);
  }

  async linked(to: Player | string, times = 1): Promise<void> {
    const heard = await this.have('linked', times);
    const id = typeof to === 'string' ? to : to.id;
    if (heard.at(-1).peers[0] !== id) throw new Error(`${this.token} is linked with ${heard.at(-1).peers}`);
  }

  /** Code of the typed error it gets. */
  async failed(times = 1): Promise<string> {
    return (await this.have('error', times)).at(-1).code;
  }

  send(data: unknown, type = 'data'): void {
    this.room.send(type, data);
  }

  /** The next numbered message. */
  count(): void {
    this.send(++this.sent);
  }

  async leave(): Promise<void> {
    if (this.closes.length === 0) await this.room.leave();
  }

  private heard(type: string, data: unknown): void {
    this.events.push({ type, data });
    for (const wake of this.wake.splice(0)) wake();
  }
}

/** What went wrong on the way from `from` to `to`; empty when every number came once and in order. */
export function lostBetween(from: Player, to: Player): string[] {
  const numbers = to.of('data');
  const wrong: string[] = [];
  numbers.forEach((n, i) => {
    if (n !== i + 1 && wrong.length === 0) wrong.push(`${from.token}: ${i + 1} expected, ${n} came`);
  });
  if (numbers.length !== from.sent) wrong.push(`${from.token}: ${from.sent} sent, ${numbers.length} came`);
  if (from.drops + from.closes.length > 0) wrong.push(`${from.token} was disconnected`);
  return wrong;
}
