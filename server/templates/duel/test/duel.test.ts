import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { Baton } from '@baton/client';

let service: ChildProcess;
let url: string;

before(async () => {
  service = spawn(process.execPath, ['start.ts', '--port', '0', '--json'], {
    env: { ...process.env, BATON_LOG: 'error' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // One line of JSON, as soon as players can come.
  const [line] = await once(createInterface({ input: service.stdout! }), 'line');
  ({ url } = JSON.parse(line));
});

after(async () => {
  service.kill('SIGINT');
  await once(service, 'exit');
});

test('two players are linked and hear each other', { timeout: 30_000 }, async () => {
  const baton = new Baton(url);
  const [ann, ben] = await Promise.all(['ann', 'ben'].map((token) => baton.open('duel', { token })));
  assert.ok(ann && ben);
  await Promise.all([ann, ben].map((socket) => new Promise((linked) => socket.on('linked', linked))));

  const heard = new Promise((resolve) => ben.on('message', resolve));
  ann.peer.send('en garde');
  assert.equal(await heard, 'en garde');
  await Promise.all([ann.close(), ben.close()]);
});
