// New code under players: what changes reaches them without a disconnect, and what could not go on calls the reload off.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type Room } from '@colyseus/sdk';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { noticed } from '../support/noticed.ts';
import { kill, Service, until } from '../support/service.ts';

interface Version {
  /** What one `add` adds. */
  step: number;
  rooms?: string[];
  /** More fields of the state, more handlers of the room "count". */
  fields?: string;
  handlers?: string;
}

const codeOf = ({ step, rooms = ['count', 'steady'], fields = '', handlers = '' }: Version) => `
import { type Client, defineRoom, defineServer, Room } from '@colyseus/core';
import { Schema, type } from '@colyseus/schema';

class Steady extends Schema {
  @type('number') sum = 0;
}
class Count extends Schema {
  @type('number') sum = 0;
  ${fields}
}
class SteadyRoom extends Room<{ state: Steady }> {
  override state = new Steady();
  override messages = {
    add: (client: Client) => client.send('sum', (this.state.sum += ${step})),
  };
}
class CountRoom extends Room<{ state: Count }> {
  override state = new Count();
  override messages = {
    add: (client: Client) => client.send('sum', (this.state.sum += ${step})),
    ${handlers}
  };
}
const all = { count: defineRoom(CountRoom), steady: defineRoom(SteadyRoom) };
const names = ${JSON.stringify(rooms)};
export default defineServer({
  rooms: Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name))) as typeof all,
});
`;

let folder: string;
let service: Service;
let count: Room;
let steady: Room;
let seen: string[][];

beforeAll(async () => {
  const artifacts = fileURLToPath(new URL('../artifacts/', import.meta.url));
  fs.mkdirSync(artifacts, { recursive: true });
  folder = fs.mkdtempSync(path.join(artifacts, 'reload-'));
  deploy(codeOf({ step: 1 }));
  service = await Service.start(path.join(folder, 'app.config.ts'));
  count = await new Client(service.url).create('count');
  steady = await new Client(service.url).create('steady');
  seen = [count, steady].map(noticed);
});
afterAll(async () => {
  await service?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

function deploy(code: string): void {
  fs.writeFileSync(path.join(folder, 'app.config.ts'), code);
}

/** The next sum the room answers with. */
function add(room: Room): Promise<number> {
  return new Promise((resolve) => {
    const off = room.onMessage('sum', (sum: number) => {
      off();
      resolve(sum);
    });
    room.send('add');
  });
}

/** Players who begin while it runs; they are asked for more until it is through. */
async function joiningDuring<T>(
  work: Promise<T>,
): Promise<{ rooms: Room[]; outcome: PromiseSettledResult<T> }> {
  let through = false;
  const settled = Promise.allSettled([work]).finally(() => {
    through = true;
  });
  const rooms: Room[] = [];
  while (!through && rooms.length < 200) rooms.push(await new Client(service.url).create('steady'));
  return { rooms, outcome: (await settled)[0]! };
}

const hostsOf = async () => (await service.hosts()).map(({ id, state }) => `${id} ${state}`);

test('changed behaviour: rooms move over, go on from where they were and behave anew', async () => {
  expect([await add(count), await add(steady)]).toEqual([1, 1]);
  deploy(codeOf({ step: 10 }));
  expect(await service.reload()).toMatchObject({ moved: 2, refused: [] });
  expect([await add(count), await add(steady)]).toEqual([11, 11]);
  expect(seen.flat()).toEqual([]);
});

test.each([
  ['a room class that is gone', codeOf({ step: 100, rooms: ['steady'] }), 'BATON_ROOM_CLASS_MISSING'],
  ['another schema', codeOf({ step: 100, fields: "@type('string') title = '';" }), 'BATON_SCHEMA_MISMATCH'],
  ['other message handlers', codeOf({ step: 100, handlers: 'clear: () => {},' }), 'BATON_HANDLERS_MISMATCH'],
  ['a syntax error', 'export default {', 'BATON_APP_FAILED'],
])('%s: the reload fails, and nobody notices, also who begins meanwhile', async (_what, code, reason) => {
  await until(async () => (await service.hosts()).length === 2, 'the hosts of the reload before to be gone');
  const before = await hostsOf();
  const sum = await add(count);
  deploy(code);
  const { rooms, outcome } = await joiningDuring(service.reload());
  const seenByThem = rooms.map(noticed);
  expect(outcome).toMatchObject({
    status: 'rejected',
    reason: { code: 'BATON_RELOAD_FAILED', details: { code: reason } },
  });
  await until(async () => (await service.hosts()).length === 2, 'the new hosts to be gone');
  expect(await hostsOf()).toEqual(before);
  expect(await add(count)).toBe(sum + 10);
  expect(rooms.length).toBeGreaterThan(0);
  expect(await Promise.all(rooms.map(add))).toEqual(rooms.map(() => 10));
  expect([...seen, ...seenByThem].flat()).toEqual([]);
  await Promise.all(rooms.map((room) => room.leave()));
});

test('keepImmovable: the room that cannot move stays with the old code until it ends, the rest moves', async () => {
  const [sum, other] = [await add(count), await add(steady)];
  deploy(codeOf({ step: 100, fields: "@type('string') title = '';" }));
  const { from, refused } = await service.reload({ keepImmovable: true });
  expect(refused).toMatchObject([{ roomId: count.roomId, code: 'BATON_SCHEMA_MISMATCH' }]);
  expect([await add(count), await add(steady)]).toEqual([sum + 10, other + 100]);
  expect(from).toContain((await service.room(count.roomId))!.host);
  expect(from).not.toContain((await service.room(steady.roomId))!.host);
  expect(seen.flat()).toEqual([]);
  await count.leave();
  await until(
    async () => (await service.hosts()).every(({ id }) => !from.includes(id)),
    'the old host to end',
    20_000,
  );
  expect(await add(steady)).toBe(other + 200);
  expect(seen.flat()).toEqual([]);
});

test('the supervisor dies while it reloads: whoever asked is told at once, and players stay', async () => {
  const before = await add(steady);
  const hosts = await service.hosts();
  deploy("console.log('new code hangs'); await new Promise((resolve) => setTimeout(resolve, 60_000));");
  const answer = service.reload().catch((error) => error);
  await until(() => service.output.join('').includes('new code hangs'), 'the new hosts to start');
  service.process.kill('SIGKILL');
  expect(await answer).toMatchObject({
    code: 'BATON_RELOAD_FAILED',
    message: expect.stringContaining('the supervisor is gone'),
  });
  expect(await add(steady)).toBeGreaterThan(before);
  expect(seen[1]).toEqual([]);
  await steady.leave();
  // the store that would say who they are went with the supervisor
  for (const { pid } of hosts) kill(pid);
});
