import { afterEach, describe, expect, jest, test } from '@jest/globals';
import {
  MAX_PAST_OF_TENANT,
  PAST_KEPT_MS,
  PastTimelines,
  type Subject,
  Timeline,
  timelineView,
} from '../../server/src/sockets/timeline.ts';

afterEach(() => void jest.useRealTimers());

const subject = (socketId: string, tenant = 'default'): Subject => ({
  ...{ socketId, tenant, mapping: 'duel', playerId: 'anna', openedAt: 1 },
});
const names = (timeline: Timeline) => timelineView(subject('s'), timeline).events.map(({ event }) => event);

describe('the timeline of a socket', () => {
  test('says where it was at each event', () => {
    const timeline = new Timeline(1);
    timeline.add('opened', 'h1');
    timeline.add('call', 'open');
    timeline.add('moved', 'h1 h2', 3.5);
    timeline.add('closed', 'left', 4000);
    const { events, closed } = timelineView(subject('s'), timeline);
    expect(events.map(({ event, host, detail, ms, code }) => [event, host, detail, ms, code])).toEqual([
      ['opened', 'h1', undefined, undefined, undefined],
      ['call', 'h1', 'open', undefined, undefined],
      ['moved', 'h2', 'h1 → h2', 3.5, undefined],
      ['closed', 'h2', 'left', undefined, 4000],
    ]);
    expect(closed).toBe(true);
  });

  test('has an end: the first events stay, and the last', () => {
    const timeline = new Timeline(1);
    timeline.add('opened', 'h1');
    for (let i = 0; i < 100; i++) timeline.add(i % 2 ? 'dropped' : 'back');
    timeline.add('closed');
    const { events, left } = timelineView(subject('s'), timeline);
    expect(events).toHaveLength(32);
    expect(left).toBe(102 - 32);
    expect([events[0]!.event, events.at(-1)!.event]).toEqual(['opened', 'closed']);
  });

  test('counts calls in a row that say the same', () => {
    const timeline = new Timeline(1);
    for (let i = 1; i <= 500; i++) timeline.add('receive', '', i, true);
    timeline.add('failed', 'receive: BATON_CALL_FAILED', 2, true);
    timeline.add('receive', '', 7, true);
    expect(names(timeline)).toEqual(['receive', 'failed', 'receive']);
    expect(timelineView(subject('s'), timeline).events[0]).toMatchObject({ times: 500, ms: 500 });
  });

  test('keeps no long texts', () => {
    const timeline = new Timeline(1);
    timeline.add('linked', 'x'.repeat(10_000));
    expect(timelineView(subject('s'), timeline).events[0]!.detail).toHaveLength(80);
  });
});

describe('timelines of closed sockets', () => {
  const filled = (count: number, tenant?: string) => {
    const past = new PastTimelines();
    for (let i = 0; i < count; i++) past.keep(subject(`s${i}`, tenant), new Timeline(1), 'left', 4000);
    return past;
  };

  test('are those of their tenant, and the last ones', () => {
    const past = filled(MAX_PAST_OF_TENANT + 3, 'acme');
    expect(past.get('acme', 's2')).toBeUndefined();
    expect(past.get('acme', 's3')).toMatchObject({ socketId: 's3', closed: true });
    expect(past.get('default', 's3')).toBeUndefined();
  });

  test('those of one tenant make room for those of others, and all of them have an end', () => {
    const past = new PastTimelines();
    for (let tenant = 0; tenant < 12; tenant++)
      for (let i = 0; i < MAX_PAST_OF_TENANT; i++)
        past.keep(subject(`s${i}`, `t${tenant}`), new Timeline(1), 'left', 4000);
    const kept = Array.from({ length: 12 * MAX_PAST_OF_TENANT }, (_, n) =>
      past.get(`t${Math.floor(n / MAX_PAST_OF_TENANT)}`, `s${n % MAX_PAST_OF_TENANT}`),
    ).filter((view) => view !== undefined);
    expect(kept.length).toBe(5_000);
    expect(past.get('t11', 's499')).toBeDefined();
  });

  test('are forgotten after a while', () => {
    jest.useFakeTimers({ now: 1_000 });
    const past = filled(1);
    jest.setSystemTime(1_000 + PAST_KEPT_MS);
    expect(past.get('default', 's0')).toBeDefined();
    jest.setSystemTime(1_001 + PAST_KEPT_MS);
    expect(past.get('default', 's0')).toBeUndefined();
  });
});
