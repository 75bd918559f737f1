// The official SDK of CloudEvents reads a call, and finds nothing wrong with it.
import { afterEach, expect, test } from '@jest/globals';
import { type CloudEvent, HTTP } from 'cloudevents';
import { functionServer, json } from './server.ts';

let server: Awaited<ReturnType<typeof functionServer>>;
afterEach(() => server.stop());

test('a call is a valid event in binary mode', async () => {
  server = await functionServer(json({}));
  const { caller, endpoint, event, asked } = server;
  await caller.open(endpoint, { ...event, data: { mode: 'ranked', name: 'Zoë' } });
  await caller.close(endpoint, { ...event, type: 'close', sequence: 2, data: { reason: 'left' } });
  const events = asked.map(({ headers, body }) => {
    const read = HTTP.toEvent({ headers, body: body.toString() }) as CloudEvent<unknown>;
    expect(read.validate()).toBe(true);
    return read.toJSON();
  });
  const same = {
    specversion: '1.0',
    source: '/baton/h1',
    subject: 's',
    datacontenttype: 'application/json',
    mapping: 'duel',
    playerid: 'p',
    epoch: '3',
  };
  expect(events).toMatchObject([
    { ...same, type: 'baton.socket.open', sequence: '1', data: { mode: 'ranked', name: 'Zoë' } },
    { ...same, type: 'baton.socket.close', sequence: '2', data: { reason: 'left' } },
  ]);
  expect(new Set(events.map(({ id }) => id)).size).toBe(2);
});
