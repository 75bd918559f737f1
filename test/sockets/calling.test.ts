// The calls of a socket without a service around it: what comes first, what waits, and what goes on.
import type { Room } from '@colyseus/core';
import { expect, test } from '@jest/globals';
import type { CallEvent, Endpoint, Reply } from '../../server/src/calls/index.ts';
import { callFailed } from '../../server/src/errors.ts';
import { mappingSchema } from '../../server/src/mappings/index.ts';
import { trackOf } from '../../server/src/migration/index.ts';
import { CallLine } from '../../server/src/sockets/call-line.ts';
import { Calling } from '../../server/src/sockets/calling.ts';
import type { Entry } from '../../server/src/sockets/roster.ts';
import type { HostedSocket } from '../../server/src/sockets/service.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';

const url = 'https://studio.example/';
const when = (...criteria: object[]) => ({ receive: { url, when: criteria } });
const NOTHING: Reply = { actions: {} };

function socket(receive: object = when()) {
  const calls: { text: string; event: CallEvent; answer(reply?: Reply): void; fail(): void }[] = [];
  const letters: unknown[] = [];
  const said: unknown[] = [];
  const call = (_endpoint: Endpoint, event: CallEvent) =>
    new Promise<Reply>((resolve, reject) => {
      const fail = () => reject(callFailed({ event: event.type, reason: 'no', attempts: 1, callId: 'c' }));
      const text = `${event.sequence} ${event.type} ${Buffer.from(event.body)}`;
      calls.push({ text, event, answer: (reply = NOTHING) => resolve(reply), fail });
    });
  const calling = new Calling({
    caller: { call, tell: call } as never,
    deadLetters: { add: async (letter: unknown) => void letters.push(letter) } as never,
    log: silentLog,
    tenantLog: { failed: () => {} },
    epoch: () => 1,
    act: (_room, reply) => said.push(reply),
  });
  const mapping = mappingSchema.parse({ open: { url }, close: { url }, forward: 'endpoint', ...receive });
  const room = {
    roomId: 's',
    playerId: 'p',
    status: 'open',
    gone: false,
    mapping: { ...mapping, tenant: 'default', name: 'm', version: 1 },
    attributes: undefined as object | undefined,
    calls: new CallLine(),
    say: (...event: unknown[]) => said.push(event),
    end: (code: number) => said.push(code),
  };
  const hosted = room as unknown as HostedSocket;
  return {
    calls,
    letters,
    said,
    calling,
    room,
    hosted,
    track: trackOf(room as unknown as Room),
    say: (text: string | Buffer) =>
      calling.received(hosted, { data: Buffer.from(text as string), text: typeof text === 'string' }),
    close: (reason = 'left') =>
      calling.closed(hosted, { close: mapping.close, epoch: 7 } as unknown as Entry, reason),
    made: () => calls.map(({ text }) => text),
  };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('the open call is the first one, what was said meanwhile comes after it', async () => {
  const { calls, calling, hosted, room, say, made } = socket();
  room.status = 'opening';
  const opened = calling.open(hosted, { a: 1 });
  say('x');
  calls[0]!.answer();
  await opened;
  expect(made()).toEqual(['1 open {"a":1}']);
  room.status = 'open';
  calling.begin(hosted);
  expect(made()).toEqual(['1 open {"a":1}', '2 receive x']);
});

test('when the open call fails, nothing but the close call follows', async () => {
  const { calls, calling, close, hosted, room, say, made } = socket();
  room.status = 'opening';
  const opened = calling.open(hosted, {});
  say('x');
  const closed = close();
  calls[0]!.fail();
  await expect(opened).rejects.toThrow();
  expect(made()).toEqual(['1 open {}', '2 close {"reason":"left"}']);
  calls[1]!.answer();
  await closed;
});

test('a call that failed is a dead letter, its client hears of it, the next one is made', async () => {
  const { calls, letters, said, say, made } = socket();
  say('a');
  say('b');
  calls[0]!.fail();
  await turn();
  expect(made()).toEqual(['1 receive a', '2 receive b']);
  expect(letters).toMatchObject([{ callId: 'c', attempts: 1, url, route: 0, event: { sequence: 1 } }]);
  expect(said).toMatchObject([['error', { code: 'BATON_CALL_FAILED' }]]);
});

test('while a move waits for the room to rest no call begins; it goes on once the room stays', async () => {
  const { calls, say, made, track } = socket();
  say('a');
  say('b');
  expect([...track.busy.keys()]).toEqual(['receive call']);
  track.letRest(true);
  calls[0]!.answer();
  await turn();
  expect(track.busyCount).toBe(0);
  say('c');
  expect(made()).toEqual(['1 receive a']);
  track.letRest(false);
  await turn();
  expect(made()).toEqual(['1 receive a', '2 receive b']);
});

test('the same when the time of what waits is over meanwhile, and when its clients leave', async () => {
  const waiting = socket(when({ every: '5ms' }));
  waiting.say('a');
  waiting.track.letRest(true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(waiting.made()).toEqual([]);
  waiting.track.letRest(false);
  while (waiting.calls.length === 0) await turn();
  expect(waiting.made()).toEqual(['1 receive a']);
  const leaving = socket();
  leaving.track.letRest(true);
  leaving.say('a');
  void leaving.close();
  expect(leaving.made()).toEqual(['1 receive a']);
  leaving.calls[0]!.answer();
  await turn();
  expect(leaving.made()).toEqual(['1 receive a', '2 close {"reason":"left"}']);
  expect(leaving.calls[1]!.event.epoch).toBe(7);
});

test('an answer that comes after the end of its socket has no effect', async () => {
  const { calls, close, said, say, room } = socket();
  say('a');
  room.gone = true;
  void close();
  calls[0]!.answer({ actions: { send: 1 } });
  await turn();
  expect(said).toEqual([]);
});

test('text is told as such unless it was cut in a character, or bytes came between', async () => {
  const { calls, say } = socket(when({ bytes: 4 }));
  for (const message of ['abé', 'aaaé', Buffer.from('xyz')]) say(message);
  for (let n = 0; n < 3; n++) {
    calls[n]!.answer();
    await turn();
  }
  const binary = 'application/octet-stream';
  expect(calls.map(({ event }) => event.contentType)).toEqual(['text/plain; charset=utf-8', binary, binary]);
});

test('a new version of its mapping sorts what comes; what waits is told first', async () => {
  const { calls, room, say, made } = socket(when({ delimiter: ';' }));
  say('old;ol');
  room.mapping = {
    ...room.mapping,
    version: 2,
    receive: socket(when({ delimiter: ',' })).room.mapping.receive,
  };
  say('d;new,');
  calls[0]!.answer();
  await turn();
  calls[1]!.answer();
  await turn();
  expect(made()).toEqual(['1 receive old;', '2 receive ol', '3 receive d;new,']);
});
