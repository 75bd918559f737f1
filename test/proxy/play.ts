// The tests that hold for every proxy in front of a service.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Service, until } from '../support/service.ts';
import {
  Certificate,
  FrontProxy,
  joinOnOneConnection,
  PlayerProcess,
  type ProxyKind,
  statusOf,
  Tap,
} from './proxy.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'app.config.ts');
/** Another address of the loopback device, so that it shows where an address was taken from. */
const CLIENT_ADDRESS = '127.0.0.9';
const MOVES = 12;

export function behind(name: string, kind: ProxyKind): void {
  let service: Service;
  let certificate: Certificate;
  const open: { stop(): unknown }[] = [];
  const opened = <T extends { stop(): unknown }>(thing: T): T => {
    open.unshift(thing);
    return thing;
  };
  beforeAll(async () => {
    certificate = new Certificate();
    service = await Service.start(app, { args: ['--trust-proxy', '127.0.0.1/32'] });
  });
  afterAll(async () => {
    for (const thing of open) await thing.stop();
    await service?.stop();
    certificate?.remove();
  });

  describe(`behind ${name}, which ends TLS`, () => {
    test(`players notice nothing of ${MOVES} moves, a drain and a reload; others join meanwhile`, async () => {
      const proxy = opened(await FrontProxy.start(kind, service.port, certificate));
      const players = opened(await PlayerProcess.start(proxy.url, certificate));
      const hosts = new Set<string>();
      for (let i = 0; i < MOVES; i++) {
        const move = await service.moveAway(players.roomId);
        expect(move.clients).toBe(2);
        hosts.add(move.to);
      }
      expect(hosts.size).toBe(2);

      let working = true;
      let guests = 0;
      const coming = (async () => {
        while (working) {
          expect(await players.ask('guest')).toEqual([4000]);
          guests++;
        }
      })();
      const host = (await service.room(players.roomId))!.host;
      expect(await service.drain(host)).toMatchObject({ moved: 1, refused: [] });
      await until(async () => (await service.hosts()).length === 2, 'a host for the drained one', 20_000);
      expect((await service.reload()).refused).toEqual([]);
      working = false;
      await coming;
      expect(guests).toBeGreaterThan(0);

      const { complaints, seen } = await players.ask<{ complaints: string[]; seen: object[] }>('end');
      expect(complaints).toEqual([]);
      expect(seen).toHaveLength(2);
    });

    test('a room learns the address of the client, whatever the client says', async () => {
      const proxy = opened(await FrontProxy.start(kind, service.port, certificate));
      const wire = opened(await Tap.start(proxy.port, CLIENT_ADDRESS));
      const players = opened(await PlayerProcess.start(`https://127.0.0.1:${wire.port}`, certificate));
      const real = { ip: CLIENT_ADDRESS, forwarded: CLIENT_ADDRESS };
      expect(await players.ask('from')).toEqual(real);
      await service.moveAway(players.roomId);
      expect(await players.ask('from')).toEqual(real);
      expect(await players.ask('liar')).toEqual(real);
    });

    test('what operates the service is for this machine alone, however it is asked for', async () => {
      const proxy = opened(await FrontProxy.start(kind, service.port, certificate));
      const there = opened(await Tap.start(proxy.port, CLIENT_ADDRESS));
      const key = { authorization: `Bearer ${service.token}` };
      const status = (port: number, path: string) =>
        statusOf(`https://127.0.0.1:${port}`, path, key, certificate);
      for (const path of ['/v1/hosts', '/metrics', '/metrics/', '/v1/sockets/x', '/v1/docs/'])
        expect([path, await status(there.port, path)]).toEqual([path, 403]);
      // whichever way it takes, a client gets nothing of it
      for (const path of ['//v1/hosts', '/v1/socket/../hosts', '/%761/hosts', '/%6detrics'])
        expect([path, [403, 404]]).toEqual([path, expect.arrayContaining([await status(there.port, path)])]);
      for (const path of ['/v1/hosts', '/metrics'])
        expect([path, await status(proxy.port, path)]).toEqual([path, 200]);
    });

    test('a client that passes by the proxy is where it is, whatever it says', async () => {
      const past = opened(await Tap.start(service.port, CLIENT_ADDRESS));
      const players = opened(await PlayerProcess.start(`http://127.0.0.1:${past.port}`, certificate));
      expect(await players.ask('liar')).toEqual({ ip: CLIENT_ADDRESS, forwarded: null });
    });

    test('a connection that carried a POST carries the upgrade, too', async () => {
      const wire = opened(await Tap.start(service.port));
      const proxy = opened(await FrontProxy.start(kind, wire.port, certificate));
      const client = await joinOnOneConnection(proxy.url, 'where-from', certificate);
      expect(wire.requests).toContainEqual([
        'POST /matchmake/create/where-from',
        expect.stringMatching(`^UPGRADE /.+/${client.roomId}\\?`),
      ]);
      for (let i = 0; i < 2; i++) await service.moveAway(client.roomId);
      const frames = client.frames.length;
      client.send('ping', 7);
      await client.next(frames + 10);
      expect(client.closed).toBeUndefined();
      client.close();
    });
  });
}
