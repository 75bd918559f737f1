// A room that moves between processes all the time sends, byte for byte, what a room that never moves sends: whatever
// its state classes are, whatever happens to the state, whoever comes, looks and goes.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { families } from '../migration/schema/families.ts';
import { Random } from '../migration/schema/random.ts';
import { RawClient } from '../support/raw-client.ts';
import { Service, until } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'families.config.ts');
const nightly = process.env['BATON_NIGHTLY'] === '1';
/** Families of classes that are made up from the seed. */
const GENERATED = nightly ? 100 : 14;
const MOVES = nightly ? 100 : 26;
const LEAST_MOVES = nightly ? 10_000 : 500;
const MOST_CLIENTS = 6;
/** msgpack */
const NULL = 0xc0;
const seed = Number(process.env['BATON_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

let service: Service;
beforeAll(async () => {
  const env = { BATON_SEED: String(seed), BATON_GENERATED: String(GENERATED) };
  service = await Service.start(app, { env });
});
afterAll(() => service?.stop());

/** A room and those in it: the first one has no view and stays. */
interface Table {
  clients: RawClient[];
  roomId: string;
}

async function seat(name: string): Promise<Table> {
  const first = await RawClient.join(service.url, `create/${name}`, {});
  await first.next(1);
  return { clients: [first], roomId: first.roomId };
}

/** @returns whether the schema package could encode the state for it */
async function join({ clients, roomId }: Table, view: boolean): Promise<boolean> {
  const client = await RawClient.join(service.url, `joinById/${roomId}`, { view });
  // it has its first state before anything else happens
  const welcome = await client.next(1, 3_000).then(
    () => true,
    () => false,
  );
  clients.push(client);
  return welcome;
}

async function leave({ clients }: Table, at: number): Promise<void> {
  const [gone] = clients.splice(at, 1);
  gone!.close();
  // A move that finds a connection closing is frozen a second time, which sends a patch more.
  await until(() => gone!.closed !== undefined, 'the end of its connection');
  const asker = clients[0]!;
  for (let here = 0; here !== clients.length; ) {
    const before = asker.frames.length;
    asker.send('count', 0);
    await asker.next(before);
    here = asker.frames.findLast(isCount)!.at(-1)!;
  }
}

/** Type `here` and a small number; how often it was asked says nothing. */
const isCount = (frame: Buffer) => frame[0] === 13 && frame.toString('latin1', 2, 6) === 'here';
/** Followed by null, or by why the state could not be encoded; then nobody could join. */
const isDone = (frame: Buffer) => frame[0] === 13 && frame.toString('latin1', 2, 6) === 'done';

/**
 * What a client would get that joins now, then everybody has all that was sent so far.
 * @returns whether the schema package could encode it
 */
async function settle({ clients }: Table): Promise<boolean> {
  const before = clients.map(({ frames }) => frames.length);
  clients[0]!.send('full', 0);
  for (const [i, client] of clients.entries()) {
    for (let at = before[i]!; !client.frames.slice(before[i]).some(isDone); at = client.frames.length)
      await client.next(at);
  }
  return clients[0]!.frames.findLast(isDone)!.at(-1) === NULL;
}

let moves = 0;

async function live(room: string, random: Random): Promise<void> {
  const moved = await seat(room);
  const still = await seat(room);
  const both = <T>(work: (table: Table) => T) => Promise.all([work(moved), work(still)]);
  for (const view of [true, true]) await both((table) => join(table, view));
  for (let move = 0; move < MOVES; move++) {
    const where = `move ${move} of ${room}, seed ${seed}`;
    for (let n = random.int(4); n >= 0; n--) {
      const command = random.chance(0.3) ? 'patch' : 'act';
      const value = random.int(2 ** 31);
      await both(({ clients }) => clients[0]!.send(command, value));
    }
    const [whole] = await both(settle);
    compare(moved, still, where);
    if (random.chance(0.2) && moved.clients.length < MOST_CLIENTS && whole) {
      const view = random.chance(0.6);
      const welcome = await both((table) => join(table, view));
      expect({ where, welcome }).toEqual({ where, welcome: [welcome[0], welcome[0]] });
      if (!welcome[0]) break; // nobody can join them any more
    } else if (random.chance(0.2) && moved.clients.length > 1) {
      const at = 1 + random.int(moved.clients.length - 1);
      await both((table) => leave(table, at));
    }
    await service.moveAway(moved.roomId);
    moves++;
    // a move sends what is due; the room that stays does so here
    still.clients[0]!.send('patch', 0);
    await both(settle);
    compare(moved, still, where);
  }
  await both(({ clients }) => {
    for (const client of clients) client.close();
  });
}

/** The first frame carries the client's own reconnection token. */
function compare(moved: Table, still: Table, where: string): void {
  const hex = (client: RawClient) =>
    client.frames
      .splice(1)
      .filter((frame) => !isCount(frame))
      .map((frame) => frame.toString('hex'));
  moved.clients.forEach((client, i) => {
    const a = hex(client);
    const b = hex(still.clients[i]!);
    const differs = a.findIndex((frame, at) => frame !== b[at]);
    if (differs < 0 && a.length === b.length) return;
    const at = (frames: string[]) => ({
      where,
      client: i,
      frame: differs,
      hex: frames[differs],
      frames: frames.length,
    });
    expect(at(a)).toEqual(at(b));
  });
}

const timeout = nightly ? 1_800_000 : 60_000;

test.each(families.map(({ name }, i) => [name, i] as const))(
  `%s: ${MOVES} moves, seed ${seed}`,
  (_name, i) => live(`family${i}`, new Random(seed + i)),
  timeout,
);

test.each(Array.from({ length: GENERATED }, (_, i) => seed + i))(
  `classes made up from seed %i: ${MOVES} moves`,
  (own) => live(`family${families.length + own - seed}`, new Random(own)),
  timeout,
);

test(`that were ${LEAST_MOVES} moves or more`, () => {
  expect(moves).toBeGreaterThanOrEqual(LEAST_MOVES);
});
