// A service to watch: rooms of an app, sockets of two studios, and functions that answer as a test says.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Room } from '@colyseus/sdk';
import type { Scope } from '../../server/src/tenants/index.ts';
import { Plain } from '../sockets/plain.ts';
import { json, Studio } from '../sockets/studio.ts';
import { Service } from '../support/service.ts';

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');

export class World {
  readonly service: Service;
  readonly studio: Studio;
  private readonly rooms: Room[] = [];
  private readonly sockets: Plain[] = [];

  private constructor(service: Service, studio: Studio) {
    this.service = service;
    this.studio = studio;
  }

  static async start(): Promise<World> {
    const studio = await Studio.open();
    const service = await Service.start(path.join(fixtures, 'app.config.ts'), {
      args: ['--mappings', path.join(fixtures, 'baton.config.ts')],
      env: { FUNCTIONS_URL: studio.url },
    });
    return new World(service, studio);
  }

  async join(name: string): Promise<Room> {
    const room = await new Client(this.service.url).joinOrCreate(name);
    room.onMessage('*', () => {});
    this.rooms.push(room);
    return room;
  }

  /** @param answer of the open function @returns its id */
  async open(mapping: string, player: string, answer: object = {}, tenant?: string): Promise<string> {
    return (await this.socket(mapping, player, answer, tenant)).id;
  }

  async socket(
    mapping: string,
    player: string,
    answer: object = {},
    tenant?: string,
  ): Promise<{ id: string; socket: Plain }> {
    this.studio.answer(player, 'open', json(answer));
    const socket = new Plain(this.service.url, mapping + (tenant ? `?tenant=${tenant}` : ''), {
      token: player,
      how: 'header',
      protocols: ['baton.v1'],
    });
    this.sockets.push(socket);
    return { id: (await socket.event('open')).socketId, socket };
  }

  async pair(one: string, two: string): Promise<[string, string]> {
    const first = await this.open('duel', one);
    return [first, await this.open('duel', two, { peer: first })];
  }

  /** An API key of a tenant. */
  async key(tenant: string, scopes: Scope[]): Promise<{ id: string; key: string }> {
    const response = await fetch(`${this.service.url}/v1/keys`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.service.token}`,
        'baton-tenant': tenant,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ name: 'dashboard', scopes }),
    });
    const made = (await response.json()) as { id: string; secret: string };
    return { id: made.id, key: made.secret };
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.close();
    await Promise.all(this.rooms.map((room) => room.connection.isOpen && room.leave()));
    await this.service.stop();
    await this.studio.close();
  }
}
