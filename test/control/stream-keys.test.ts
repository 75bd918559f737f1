// A stream goes on for as long as its key is good, whatever else comes from its address.
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { EventSink, KeyRing, WatchBackend } from '../../server/src/control/index.ts';
import { storeUnavailable } from '../../server/src/errors.ts';
import { KEY_GOOD_FOR_MS } from '../../server/src/tenants/index.ts';
import { until } from '../support/service.ts';
import { as, closeAll, keyRing, serve } from './support.ts';

// of the clock only what looks at keys
beforeEach(() => {
  const doNotFake = ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'nextTick'] as const;
  jest.useFakeTimers({ doNotFake: [...doNotFake, 'queueMicrotask', 'Date', 'hrtime', 'performance'] });
});
afterEach(async () => {
  await closeAll();
  jest.useRealTimers();
});

const watch: WatchBackend = {
  look: async () => ({}) as never,
  async watch(_principal: unknown, out: () => EventSink) {
    const stream = out();
    stream.send('snapshot', '{}');
    await stream.closed;
  },
};

/** A stream of a key, whose ring answers as the test says. */
async function follow() {
  const good = keyRing({ mine: {} });
  const here = { text: '', over: false, looks: 0, answer: good.authenticate, send: wrong };
  const keys: KeyRing = {
    authenticate(bearer) {
      if (bearer === 'mine') here.looks++;
      return bearer === 'mine' ? here.answer(bearer) : good.authenticate(bearer);
    },
  };
  const api = await serve({ watch, keys, limits: { wrongKeys: 1 } });
  async function wrong(): Promise<number> {
    return (await api.send('GET', '/v1/events', { headers: as('wrong') })).status;
  }
  const response = await fetch(`${api.url}/v1/events`, {
    headers: { accept: 'text/event-stream', ...as('mine') },
  });
  void (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) here.text += chunk;
    here.over = true;
  })().catch(() => {});
  await until(() => here.text.includes('snapshot'), 'a snapshot');
  return here;
}

/** The service looks once more. */
async function look(stream: { looks: number }): Promise<void> {
  const before = stream.looks;
  jest.advanceTimersByTime(KEY_GOOD_FOR_MS);
  await until(() => stream.looks > before, 'a look at the key');
}

test('it ends with its key, although its address may not try others any more', async () => {
  const stream = await follow();
  expect([await stream.send(), await stream.send()]).toEqual([401, 429]);
  await look(stream);
  expect(stream.over).toBe(false);
  stream.answer = async () => undefined;
  await look(stream);
  await until(() => stream.over, 'the end');
  expect(stream.text).toMatch(/event: denied\ndata: {"code":"BATON_UNAUTHORIZED"}\n\n$/);
});

test('it ends when its key cannot be read', async () => {
  const stream = await follow();
  stream.answer = async () => {
    throw new SyntaxError('not JSON');
  };
  await look(stream);
  await until(() => stream.over, 'the end');
  expect(stream.text).toContain('event: denied');
});

test('it goes on while the store is away', async () => {
  const stream = await follow();
  const { answer } = stream;
  stream.answer = async () => {
    throw storeUnavailable({ url: 'redis://here', reason: 'it is away' });
  };
  await look(stream);
  stream.answer = answer;
  await look(stream);
  expect([stream.text, stream.over]).toEqual(['event: snapshot\ndata: {}\n\n', false]);
});
