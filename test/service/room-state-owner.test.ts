// A room with an id of its own, whose host was silent for so long that the others took it for dead.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openStore } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { House } from '../support/house.ts';
import { RawClient } from '../support/raw-client.ts';
import { kill, until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'room-state.config.ts');
const id = 'the-only-one';

let house: House;
beforeAll(async () => {
  house = await House.start(app);
});
afterAll(() => house?.stop());

test('when there is a new room of its id, the old one ends: clients get 4010, the new one is not touched', async () => {
  const old = await RawClient.join(house.url, 'create/named', { name: id });
  const first = await house.call<number>(id, 'pid');
  const socket = `${house.service.runtimeDir}/store.sock`;
  const store = await openStore({ kind: 'embedded', path: socket, log: silentLog });
  const host = (await store.hosts()).find(({ pid }) => pid === first)!;
  kill(first, 'SIGSTOP');
  try {
    await store.putHost(host, 1); // as if it had not renewed its lease for long
    await until(() => house.create('named', { name: id }).then(isNew, () => false), 'a new room', 4_000);
  } finally {
    kill(first, 'SIGCONT');
    await store.close();
  }
  await until(() => old.closed !== undefined, 'the end of the old room');
  expect(old.closed).toBe(4010);
  await until(() => notesOf(first, 'onDispose').length > 0, 'onDispose()');
  expect(notesOf(first, 'onLeave').map(({ more }) => more)).toEqual([`${old.sessionId} 4010`]);
  expect(house.notes(id, '.on(dispose)', '.on(leave)')).toEqual([]);

  const second = await house.call<number>(id, 'pid');
  expect(second).not.toBe(first);
  const client = await RawClient.join(house.url, `joinById/${id}`);
  expect(await house.listing(id)).toEqual([expect.objectContaining({ roomId: id, clients: 1 })]);
  await house.move(id, 2);
  expect(await house.call(id, 'pid')).toBe(second);
  expect(client.closed).toBeUndefined();
  client.close();
});

const notesOf = (pid: number, what: string) => house.notes(id, what).filter((note) => note.pid === pid);
/** A room was made, not the listing of the old one found. */
const isNew = () => house.notes(id, '.on(create)').length > 1;
