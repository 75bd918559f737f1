// A host that cannot renew its lease says why.

import { matchMaker } from '@colyseus/core';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Registration } from '../../server/src/host/registration.ts';
import type { Ownership } from '../../server/src/migration/index.ts';
import { createLog } from '../../server/src/telemetry/index.ts';
import { type Backend, embeddedBackend } from '../store/backend.ts';
import { until } from '../support/service.ts';

let backend: Backend;
let registration: Registration;
beforeAll(async () => {
  backend = await embeddedBackend();
});
afterAll(() => backend.close());
afterEach(() => registration.stop());

test('a record that the store refuses is a warning, once', async () => {
  const lines: { level: string; err?: { code: string } }[] = [];
  const store = await (await backend.space()).open();
  const id = await store.nextHostId();
  const putHost = store.putHost.bind(store);
  // no match-maker runs here
  store.putHost = (record, leaseMs) => putHost({ ...record, processId: 'p1' }, leaseMs);
  registration = new Registration({
    ...{ id, store, handoffPath: '/tmp/none', generation: 1 },
    log: createLog({ format: 'json', level: 'debug', write: (line) => void lines.push(JSON.parse(line)) }),
  });
  matchMaker.stats.local.ccu = 0;
  await registration.start(
    { rooms: () => [], restore: async () => {} } as unknown as Ownership,
    async () => {},
    () => 0,
  );
  registration.record.generation = 1.5;
  const levels = () => lines.map(({ level }) => level);
  await until(() => lines.length >= 3, 'it to be refused again');
  expect(levels().slice(0, 3)).toEqual(['warn', 'debug', 'debug']);
  expect(JSON.stringify(lines[0])).toMatch(/store putHost: .* at (0\.)?generation/);
});
