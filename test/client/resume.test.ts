// Networks that fail: sockets go on with other connections, and nothing that either side says is lost, doubled or out of
// order, wherever the sockets are meanwhile.
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { kill, until } from '../support/service.ts';
import { ClientWorld, lost, type Player } from './studio-world.ts';

let world: ClientWorld;
beforeAll(async () => {
  world = await ClientWorld.start();
}, 60_000);
afterAll(() => world?.stop());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Both send numbers until `work` is done, and until all have come. @returns what went wrong */
async function talk(one: Player, two: Player, work: () => Promise<unknown>, everyMs = 2): Promise<string[]> {
  const talking = setInterval(() => {
    one.count();
    two.count();
  }, everyMs);
  try {
    await work();
  } finally {
    clearInterval(talking);
  }
  const all = () => one.heard.length >= two.sent && two.heard.length >= one.sent;
  await until(all, 'all that was said to come', 20_000).catch(() => {});
  return [...lost(one, two), ...lost(two, one), ...one.errors, ...two.errors];
}

describe('a network that is cut', () => {
  test('again and again, on both sides, while the pair moves: nothing is lost, doubled or out of order', async () => {
    const [one, two] = await world.pair('cut');
    const moving = world.service.keepMoving(one.socket.id);
    const wrong = await talk(one, two, async () => {
      for (let i = 1; i <= 8; i++) {
        await pause(Math.random() * 100);
        one.network.cut();
        if (i % 2) two.network.cut();
        await one.has('resumed', i);
      }
    });
    await moving.stop(2);
    expect(wrong).toEqual([]);
    expect(one.connections.length).toBeGreaterThan(8);
    expect([one.closes, two.closes, one.events.includes('peer-left')]).toEqual([[], [], false]);
    await until(() => one.socket.bufferedAmount === 0, 'all to be confirmed');
  }, 60_000);

  test('while its host is drained, and while the service is reloaded', async () => {
    const [one, two] = await world.pair('drained');
    const wrong = await talk(
      one,
      two,
      async () => {
        const host = (await world.hostOf(one))!;
        one.network.cut();
        await world.service.drain(host);
        two.network.cut();
        await world.service.reload();
        one.network.cut();
        await Promise.all([one.has('resumed', 2, 20_000), two.has('resumed', 1, 20_000)]);
      },
      10,
    );
    expect(wrong).toEqual([]);
    expect([one.closes, two.closes]).toEqual([[], []]);
  }, 90_000);

  test('before anybody answers: each request has one answer, also over a move', async () => {
    const asker = await world.player('asker', 'ask');
    world.studio.answer('asker', 'receive', (response, { body }) => {
      setTimeout(() => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ send: { answer: JSON.parse(body.toString()).n } }));
      }, 20);
    });
    const answers = Array.from({ length: 30 }, (_, n) =>
      asker.socket.request(JSON.stringify({ type: 'ask', n }), { timeout: 30_000 }),
    );
    for (let i = 0; i < 4; i++) {
      await pause(100);
      asker.network.cut();
      await world.service.moveAway(asker.socket.id).catch(() => {});
      await asker.has('resumed', i + 1);
    }
    expect(await Promise.all(answers)).toEqual(answers.map((_, n) => JSON.stringify({ answer: n })));
    expect((await world.studio.calls('asker', 30)).length).toBe(30);
    expect([asker.heard, asker.errors]).toEqual([[], []]);
  }, 60_000);

  test('without a word: the client notices, and finds its socket', async () => {
    const [one, two] = await world.pair('silent', 'duel', {}, { heartbeat: 300 });
    one.network.silence();
    await one.has('reconnecting');
    one.socket.send('still here');
    await two.hears('still here');
    expect(two.events).not.toContain('peer-left');
  });

  test('for too long: the socket is closed on both sides, once', async () => {
    const [one, two] = await world.pair('late', 'hasty');
    one.network.stop();
    await two.has('peer-left');
    expect((await world.studio.calls('late-1', 1, 'close'))[0]!.body.toString()).toBe('{"reason":"lost"}');
    expect(one.socket.connected).toBe(false);
    await one.socket.close();
    expect(await one.closed()).toEqual([4000, '']);
  });

  test('where the mapping waits for nobody, it is closed', async () => {
    const strict = await world.player('strict', 'strict');
    strict.network.cut();
    expect(await strict.closed()).toEqual([1006, '']);
    await world.studio.calls('strict', 1, 'close');
  });

  test('what waits is bounded and may time out; what is volatile does not wait', async () => {
    const [one, two] = await world.pair('full', 'duel', {}, { maxBuffered: 10_000 });
    one.connections[0]!.close = () => {};
    one.network.close(); // it must not be back before all that is said
    await one.has('reconnecting');
    expect(one.socket.send('now or never', { volatile: true })).toBe(false);
    one.socket.send('soon', { timeout: 1 });
    expect(() => {
      for (;;) one.socket.send('x'.repeat(1_000));
    }).toThrow(expect.objectContaining({ code: 'BATON_SEND_BUFFER_FULL' }));
    const waits = one.socket.bufferedAmount;
    expect(waits).toBeGreaterThan(8_000);
    one.network.close(false);
    await one.has('resumed');
    await until(() => one.socket.bufferedAmount === 0, 'all to be confirmed');
    await until(() => two.heard.length >= 9, 'it all to come');
    expect([
      two.heard.includes('now or never'),
      two.heard.includes('soon') === one.errors.includes('BATON_SEND_TIMEOUT'),
    ]).toEqual([false, false]);
  });
});

describe('another connection', () => {
  /** Comes back to a player's socket without the client that it has. */
  async function resume(
    player: Player,
    { secret, received = 0 }: { secret?: string; received?: number } = {},
  ) {
    const { secret: own, stream } = (player.socket as any).options;
    const url = `${world.service.url.replace('http', 'ws')}/v1/socket/duel?resume=${player.socket.id}&received=${received || stream.heard}`;
    const other = new WebSocket(url, ['baton.resume.v1', `baton.secret.${secret ?? own}`]);
    const said: string[] = [];
    other.on('message', (data) => said.push(String(data)));
    const [code, reason] = await Promise.race([
      once(other, 'close'),
      until(() => said.some((text) => text.includes('"resumed"')), 'an answer').then(() => [0, '']),
    ]);
    return { other, said, code, reason: String(reason) };
  }

  test('with a wrong secret, of an unknown socket, or with a wrong count is refused, and disturbs nobody', async () => {
    const [one, two] = await world.pair('forged');
    for (const forged of [{ secret: 'x' }, { secret: 'A'.repeat(32) }, { received: 1_000 }]) {
      const { code, reason, said } = await resume(one, forged);
      expect([code, reason]).toEqual([4017, 'BATON_RESUME_FAILED']);
      expect(said[0]).toContain('BATON_RESUME_FAILED');
    }
    one.socket.send('undisturbed');
    await two.hears('undisturbed');
    expect(one.connections).toHaveLength(1);
    const stranger = new WebSocket(
      `${world.service.url.replace('http', 'ws')}/v1/socket/duel?resume=nobody&received=0`,
      ['baton.resume.v1', 'baton.secret.x'],
    );
    const [code, reason] = await once(stranger, 'close');
    expect([code, String(reason)]).toEqual([4017, 'BATON_RESUME_FAILED']);
  });

  test('takes the place of the one the service believes alive; of two at once the last one has it', async () => {
    const [one, two] = await world.pair('twice');
    const both = await Promise.all([resume(one), resume(one)]);
    // each was let in, or lost its connection to the one behind it
    expect(both.filter(({ code }) => code !== 0 && code !== 1006)).toEqual([]);
    // and the client comes back behind them
    await one.has('resumed');
    one.socket.send('it is me');
    await two.hears('it is me');
    two.socket.send('I know');
    await one.hears('I know');
    expect([one.closes, two.closes, two.events.includes('peer-left')]).toEqual([[], [], false]);
    for (const { other } of both) other.terminate();
  });
});

test('the death of the host ends the socket, with a code', async () => {
  const [one] = await world.pair('killed');
  const waiting = one.socket.request('anybody?', { timeout: 60_000 });
  const refused = expect(waiting).rejects.toMatchObject({ code: expect.stringMatching(/^BATON_/) });
  const host = await world.hostOf(one);
  kill((await world.service.hosts()).find(({ id }) => id === host)!.pid);
  expect(await one.closed(30_000)).toEqual([4017, 'BATON_RESUME_FAILED']);
  expect(one.errors).toEqual(['BATON_RESUME_FAILED']);
  await refused;
  expect((await world.studio.calls('killed-1', 1, 'close'))[0]!.body.toString()).toBe(
    '{"reason":"host-lost"}',
  );
}, 60_000);

test('a service that ends, or begins anew, ends the socket, with a code', async () => {
  const other = await ClientWorld.start({ hosts: 1 });
  try {
    const player = await other.player('ends');
    const lasts = await other.player('lasts', 'hasty');
    const { port } = other.service;
    lasts.network.silence(); // it does not hear the goodbye
    await other.service.stop();
    expect(await player.closed()).toEqual([4001, '']);
    const again = await ClientWorld.start({ hosts: 1, args: ['--port', String(port)] });
    try {
      lasts.network.cut();
      expect(await lasts.closed(20_000)).toEqual([4017, 'BATON_RESUME_FAILED']);
      expect([player.errors, lasts.errors]).toEqual([[], ['BATON_RESUME_FAILED']]);
    } finally {
      await again.stop();
    }
  } finally {
    await other.stop();
  }
}, 90_000);
