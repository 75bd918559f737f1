// What strangers may ask for, without a token or a seat: names every JavaScript object knows, and bodies nobody needs.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Player } from '../support/player.ts';
import { Service } from '../support/service.ts';
import { app, connect, exchange, reserve, upgradeRequest } from './attack.ts';

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '__defineGetter__'];
const MiB = 1024 * 1024;
let service: Service;

beforeAll(async () => {
  service = await Service.start(app);
});
afterAll(() => service.stop());

test('an upgrade to a name of Object.prototype is one to an unknown room, and leaves nothing behind', async () => {
  // Several of each, so that every host gets some.
  for (const name of [...NAMES, ...NAMES, ...NAMES]) {
    const answer = await exchange(service.port, upgradeRequest(`/p/${name}?sessionId=${name}`), 'expired');
    expect(answer).toContain('seat reservation expired.');
  }
  const hosts = await service.hosts();
  const rooms = [];
  for (let i = 0; i < 4; i++) rooms.push((await reserve(service.url, 'create/talking')).roomId);
  const moved = await service.moveAway(rooms[0]!);
  for (const room of await service.rooms()) {
    expect(room).toMatchObject({ moves: room.roomId === rooms[0] ? 1 : 0 });
  }
  expect(hosts.map(({ id }) => id)).toContain(moved.to);
});

test('the control API knows no such room either', async () => {
  const [host] = await service.hosts();
  for (const name of NAMES) {
    await expect(service.migrate(name, host!.id)).rejects.toMatchObject({ code: 'BATON_ROOM_NOT_FOUND' });
    await expect(service.drain(name)).rejects.toMatchObject({ code: 'BATON_HOST_NOT_FOUND' });
  }
});

test('a matchmaking route knows no such room or method', async () => {
  for (const method of ['create', 'join', 'joinOrCreate', 'joinById', 'reconnect', ...NAMES]) {
    for (const name of NAMES)
      await expect(reserve(service.url, `${method}/${name}`)).rejects.toThrow('error');
  }
  expect(await service.hosts()).toHaveLength(2);
});

const post = (body: string, headers: Record<string, string> = {}) =>
  fetch(`${service.url}/matchmake/create/talking`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });

test('a matchmaking request of many MiB is refused, and no host loses its store', async () => {
  const player = await Player.join(service.url, 'talking');
  const body = JSON.stringify({ name: 'x'.repeat(20 * MiB) });
  for (let i = 0; i < 4; i++) {
    const status = await post(body).then(
      (response) => response.status,
      () => 413, // the connection may be gone before all of it was sent
    );
    expect(status).toBe(413);
  }
  const seats = await Promise.all([1, 2, 3, 4].map(() => reserve(service.url, 'create/talking')));
  expect(seats).toHaveLength(4);
  expect(service.output.join('')).not.toMatch(/store away|what is no request/);
  expect(player.complaints()).toEqual([]);
  await player.leave();
});

test('the same in chunks, of which no length is known', async () => {
  const socket = connect(service.port);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  let sent = 0;
  socket.write('POST /matchmake/create/talking HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n');
  socket.write('Transfer-Encoding: chunked\r\n\r\n1\r\n"\r\n');
  const chunk = Buffer.from(`10000\r\n${'x'.repeat(65_536)}\r\n`);
  const more = () => {
    while (!socket.destroyed && sent < 64 * MiB) {
      sent += 65_536;
      if (!socket.write(chunk)) return void socket.once('drain', more);
    }
  };
  more();
  socket.resume();
  await closed;
  // What fits into the kernel's buffers goes out without anybody having read it.
  expect(sent).toBeLessThan(32 * MiB);
});

for (const target of [
  'http://x/matchmake/create/talking',
  '/a/../matchmake/create/talking',
  '/%6Datchmake/create/a',
]) {
  test(`there is no way around the limit: ${target}`, async () => {
    const head = `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
    const answer = await exchange(service.port, `${head}Content-Length: ${17 * MiB}\r\n\r\n`, '\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
  });
}

test('what a client may need is accepted', async () => {
  const response = await post(JSON.stringify({ name: 'x'.repeat(500_000) }));
  expect(response.status).toBe(200);
  const answer = await exchange(
    service.port,
    'POST /matchmake/create/talking HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
      'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
  );
  expect(answer).toContain('"sessionId"');
});
