// What `baton bots` shows while it plays: a live view on a terminal, its faults elsewhere.
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { Course } from '../../server/src/cli/bots/course.ts';
import { Meter, record } from '../../server/src/cli/bots/measure.ts';
import { noMoves } from '../../server/src/cli/bots/moves.ts';
import { BotsView } from '../../server/src/cli/bots/view.ts';
import { Screen } from '../cli/terminal.ts';

class Output extends Writable {
  columns = 100;
  rows = 20;
  isTTY: boolean;
  text = '';

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk;
    this.emit('drawn');
    done();
  }

  get lines(): string[] {
    const screen = new Screen();
    screen.feed(this.text);
    return screen.lines;
  }
}

/** Two processes with a client each, one of which has waited 4 and 8 ms for answers, and two moves. */
function played() {
  const course = new Course();
  const moves = noMoves();
  for (const [process, trips] of [[4, 8], []].entries()) {
    const meter = new Meter();
    meter.clients = 1;
    meter.sent = trips.length;
    meter.received = trips.length;
    for (const ms of trips) meter.roundTrip(ms);
    course.add(process, meter.take());
  }
  course.tick();
  moves.done = 1;
  moves.failed = 1;
  record(moves.blackout, 5);
  return { course, moves };
}

test('on a terminal: clients, messages, round trips and moves below what went wrong', async () => {
  const out = new Output(true);
  const view = new BotsView('pairs, 2 clients', out as unknown as NodeJS.WriteStream);
  const { course, moves } = played();
  view.phase('playing');
  view.fault('move of s1 to h2: no');
  view.second(course, moves);
  await once(out, 'drawn');
  expect(out.lines.filter((line) => line !== '')).toEqual([
    'baton: move of s1 to h2: no',
    'pairs, 2 clients: playing, 0 s',
    '  clients      2',
    '  messages     2/s sent, 2/s received',
    '  round trip   p50 4 ms, p99 8 ms, max 8 ms',
    '  p99          █',
    '  moves        1, 1 failed, blackout p50 5 ms, max 5 ms',
  ]);
  view.close();
  expect(out.lines.filter((line) => line !== '')).toEqual(['baton: move of s1 to h2: no']);
});

test('elsewhere: what went wrong, and nothing else', () => {
  const out = new Output(false);
  const view = new BotsView('pairs, 2 clients', out as unknown as NodeJS.WriteStream);
  const { course, moves } = played();
  view.phase('playing');
  view.second(course, moves);
  view.fault('s1: closed (1006 )');
  view.close();
  expect(out.text).toBe('baton: s1: closed (1006 )\n');
});

test('seconds: counts of all processes, slow answers kept when a long run is thinned', () => {
  const { course } = played();
  expect(course.seconds).toEqual([
    { at: expect.any(Number), clients: 2, sent: 2, received: 2, p50: 4, p99: 8, max: 8 },
  ]);
  for (let n = 0; n < 3650; n++) course.tick();
  expect(course.seconds.length).toBeLessThanOrEqual(3600);
  expect(course.seconds.filter(({ max }) => max === 8)).toHaveLength(1);
  expect(course.roundTrips.totalCount).toBe(2);
});
