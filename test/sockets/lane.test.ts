// The short way between linked plain sockets: when it is open, when it is left, and that nothing passes anything else.

import type { Room } from '@colyseus/core';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { trackOf } from '../../server/src/migration/index.ts';
import { lanesChanged, openLane } from '../../server/src/sockets/lane.ts';
import { MessageRate } from '../../server/src/sockets/message-rate.ts';
import type { HostedSocket } from '../../server/src/sockets/service.ts';
import type { Connection } from '../../server/src/transport/index.ts';

/** As much of a connection as a lane uses. */
class Wire {
  readyState = 1;
  shortcut: Connection['shortcut'];
  unreadMs = 0;
  /** Messages that the kernel takes. */
  room = Number.POSITIVE_INFINITY;
  get blocked(): boolean {
    return this.sent.length >= this.room;
  }
  readonly sent: string[] = [];
  readonly pausedFor: unknown[] = [];
  readonly written: (() => void)[] = [];
  send(data: Uint8Array, { binary }: { binary: boolean }): void {
    this.sent.push(`${binary ? 'binary' : 'text'} ${Buffer.from(data)}`);
  }
  pauseReading(reason: unknown): boolean {
    this.pausedFor.push(reason);
    return true;
  }
  resumeReading(reason: unknown): void {
    this.pausedFor.splice(this.pausedFor.indexOf(reason), 1);
  }
  whenWritten(done: () => void): void {
    this.written.push(done);
  }
}

interface Fake {
  wire: Wire;
  room: HostedSocket;
  ends: number[];
}

function socket(speech = 'baton.v1', mapping: object = {}): Fake {
  const wire = new Wire();
  const ends: number[] = [];
  const room = {
    speech,
    connection: wire,
    rate: new MessageRate(),
    mapping: { forward: 'peers', maxMessagesPerSecond: 1_000, ...mapping },
    end: (code: number) => ends.push(code),
  } as unknown as HostedSocket;
  trackOf(room as unknown as Room).phase = 'live';
  return { wire, room, ends };
}

let from: Fake;
let to: Fake;
const open = () => openLane(from.room, [to.room]);
const take = (text: string, isBinary = true) =>
  from.wire.shortcut?.take(Buffer.from(text), isBinary) ?? false;
beforeEach(() => {
  from = socket();
  to = socket();
});

test('what is said comes to every peer as it is, bytes as bytes and text as text', () => {
  const third = socket('baton.raw.v1');
  openLane(from.room, [to.room, third.room]);
  expect([take('\u0001bytes'), take('text', false)]).toEqual([true, true]);
  expect(to.wire.sent).toEqual(['binary \u0001bytes', 'text text']);
  expect(third.wire.sent).toEqual(to.wire.sent);
});

describe('it is not opened', () => {
  test.each<[string, () => Fake[]]>([
    ['for a client that speaks otherwise', () => [socket('colyseus'), to]],
    ['to a peer that speaks otherwise', () => [from, to, socket('colyseus')]],
    ['where a function hears what is said, too', () => [socket('baton.v1', { forward: 'both' }), to]],
    [
      'to a peer without a connection',
      () => [from, { ...to, room: { ...to.room, connection: undefined } as never }],
    ],
  ])('%s', (_why, these) => {
    const [first, ...others] = these();
    openLane(
      first!.room,
      others.map(({ room }) => room),
    );
    expect(first!.wire.shortcut).toBeUndefined();
  });
});

describe('it is left for good', () => {
  test.each<[string, () => void]>([
    ['when a link or a mapping has changed', lanesChanged],
    ['when the socket is closed', () => void (from.wire.readyState = 2)],
    ['when a peer moves', () => void (trackOf(to.room as unknown as Room).phase = 'frozen')],
    ['when a peer has moved', () => void (trackOf(to.room as unknown as Room).phase = 'released')],
  ])('%s, also if all is as before afterwards', (_why, happen) => {
    open();
    happen();
    expect(take('late')).toBe(false);
    from.wire.readyState = 1;
    trackOf(to.room as unknown as Room).phase = 'live';
    // what came meanwhile is held back, and must not be overtaken
    expect(take('later')).toBe(false);
    expect(to.wire.sent).toEqual([]);
    open();
    expect(take('again')).toBe(true);
  });

  test('for text that may be for the service', () => {
    open();
    expect(take('\u0001{}', false)).toBe(false);
    expect(to.wire.sent).toEqual([]);
  });
});

test('a slow peer slows its sender down', () => {
  open();
  to.wire.room = 1;
  take('one');
  expect(from.wire.pausedFor).toEqual([to.wire]);
  to.wire.written[0]!();
  expect(from.wire.pausedFor).toEqual([]);
});

test('where the mapping says so a slow peer misses what it cannot take, and slows nobody down', () => {
  from = socket('baton.v1', { volatile: true });
  const quick = socket();
  openLane(from.room, [to.room, quick.room]);
  to.wire.room = 1;
  for (const text of ['one', 'two']) expect(take(text)).toBe(true);
  to.wire.room = Number.POSITIVE_INFINITY;
  expect(take('three')).toBe(true);
  const all = ['binary one', 'binary two', 'binary three'];
  expect([to.wire.sent, quick.wire.sent]).toEqual([[all[0], all[2]], all]);
  expect(from.wire.pausedFor).toEqual([]);
});

test('more messages than the mapping allows end the socket', () => {
  from = socket('baton.v1', { maxMessagesPerSecond: 3 });
  open();
  for (let n = 0; n < 4; n++) expect(take(String(n))).toBe(true);
  expect([to.wire.sent.length, from.ends]).toEqual([3, [4016]]);
});
