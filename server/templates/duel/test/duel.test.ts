import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

let service: ChildProcess;
let address: string;

before(async () => {
  service = spawn(process.execPath, ['start.ts', '--port', '0', '--json'], {
    env: { ...process.env, BATON_LOG: 'error' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // One line of JSON, as soon as players can come.
  const [line] = await once(createInterface({ input: service.stdout! }), 'line');
  address = `127.0.0.1:${JSON.parse(line).port}`;
});

after(async () => {
  service.kill('SIGINT');
  await once(service, 'exit');
});

function openSocket(player: string) {
  const socket = new WebSocket(`ws://${address}/v1/socket/duel`, ['baton.v1', `baton.token.${player}`]);
  /** Resolves with the next message that matches. */
  const hears = (wanted: RegExp) =>
    new Promise<string>((resolve, reject) => {
      socket.addEventListener('message', ({ data }) => wanted.test(data) && resolve(data));
      socket.addEventListener('close', ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`)));
    });
  return { socket, hears };
}

test('two players are linked and hear each other', { timeout: 30_000 }, async () => {
  const ann = openSocket('ann');
  const ben = openSocket('ben');
  await Promise.all([ann, ben].map((player) => player.hears(/"event":"linked"/)));

  const heard = ben.hears(/^en garde$/);
  ann.socket.send('en garde');
  assert.equal(await heard, 'en garde');
  ann.socket.close();
  ben.socket.close();
});
