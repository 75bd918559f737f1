// The official SDK of CloudEvents reads a call, and finds nothing wrong with it.
import { afterEach, expect, test } from '@jest/globals';
import { type CloudEvent, HTTP } from 'cloudevents';
import { functionServer, json } from './server.ts';

let server: Awaited<ReturnType<typeof functionServer>>;
afterEach(() => server.stop());

test('a call is a valid event in binary mode', async () => {
  server = await functionServer(json({}));
  const { caller, endpoint, event, asked } = server;
  const attributes = { team: 'rød "1"', deep: [{ n: null }, '%20 é\u{1F600}'] };
  const bytes = Uint8Array.of(0, 255, 10);
  await caller.call(endpoint, { ...event, body: Buffer.from('{"mode":"ranked","name":"Zoë"}') });
  const binary = { type: 'receive', contentType: 'application/octet-stream', body: bytes } as const;
  await caller.call(endpoint, { ...event, ...binary, attributes, sequence: 2 });
  await caller.tell(endpoint, {
    ...event,
    type: 'close',
    sequence: 3,
    body: Buffer.from('{"reason":"left"}'),
  });
  const events = asked.map(({ headers, body }) => {
    const binary = headers['content-type'] === 'application/octet-stream';
    const read = HTTP.toEvent({ headers, body: binary ? body : body.toString() }) as CloudEvent<unknown>;
    expect(read.validate()).toBe(true);
    return read.toJSON();
  });
  const same = {
    specversion: '1.0',
    source: '/baton/h1',
    subject: 's',
    datacontenttype: 'application/json',
    tenant: 'default',
    mapping: 'duel',
    mappingversion: '2',
    playerid: 'p',
    epoch: '3',
  };
  expect(events).toMatchObject([
    { ...same, type: 'baton.socket.open', sequence: '1', data: { mode: 'ranked', name: 'Zoë' } },
    { ...same, type: 'baton.socket.receive', sequence: '2', datacontenttype: 'application/octet-stream' },
    { ...same, type: 'baton.socket.close', sequence: '3', data: { reason: 'left' } },
  ]);
  expect(asked[1]!.body).toEqual(Buffer.from(bytes));
  // as in section 3.1.3.2 of the HTTP binding
  const header = asked[1]!.headers['ce-attributes'] as string;
  expect(header).toMatch(/^[\x21\x23\x24\x26-\x7e%]+$/);
  expect(header).not.toContain('"');
  expect(JSON.parse(decodeURIComponent(header))).toEqual(attributes);
  expect(new Set(events.map(({ id }) => id)).size).toBe(3);
});
