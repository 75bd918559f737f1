// Links of more than two: groups that fill, sockets that are named, aliases; unlinking and linking anew; and what they
// say to each other while hosts are drained.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/service.ts';
import { type Player, World } from './support.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world?.stop());

/** Opens sockets one after the other, on both hosts. */
async function open(
  tokens: string[],
  answer: (at: number) => unknown,
  mapping = 'script',
): Promise<Player[]> {
  const players: Player[] = [];
  for (const [at, token] of tokens.entries()) players.push(await world.open(mapping, token, answer(at)));
  return players;
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}-${at}`);

/** All are linked with all others, and know it. */
async function linked(players: Player[]): Promise<void> {
  const ids = players.map(({ id }) => id).sort();
  for (const player of players) {
    const others = ids.filter((id) => id !== player.id);
    await until(
      () => String([...(player.of('linked').at(-1)?.peers ?? [])].sort()) === String(others),
      `${player.token} to be linked`,
    );
  }
}

/** Everybody says its next number to all others. */
function count(players: Player[]): void {
  for (const player of players) player.send({ from: player.id, n: ++player.sent });
}

/** What was lost, doubled or reordered on the way between any two of them. */
async function wrong(players: Player[]): Promise<string[]> {
  const found: string[] = [];
  for (const to of players) {
    const others = players.filter((player) => player !== to);
    await to.have(
      'data',
      others.reduce((sum, { sent }) => sum + sent, 0),
      20_000,
    );
    for (const from of others) {
      const numbers = to.of('data').flatMap((data) => (data.from === from.id ? data.n : []));
      const expected = Array.from({ length: from.sent }, (_, at) => at + 1);
      if (String(numbers) !== String(expected)) found.push(`${from.token} to ${to.token}: ${numbers}`);
    }
    if (to.drops + to.closes.length > 0) found.push(`${to.token} was disconnected`);
  }
  return found;
}

const up = async () => (await world.service.hosts()).filter(({ state }) => state === 'up');
const twoHosts = () => until(async () => (await up()).length === 2, 'two hosts', 30_000);

const leave = (players: Player[]) => Promise.all(players.map((player) => player.leave()));

test('a group forms when it is full, comes to one host, and all hear all', async () => {
  const players = await open(names('four', 4), () => ({ group: 'match-42', size: 4 }));
  count(players); // held until they are together
  await linked(players);
  expect(players.map((player) => player.of('linked').length)).toEqual([1, 1, 1, 1]);
  count(players);
  await world.together(...players);
  count(players);
  expect(await wrong(players)).toEqual([]);
  const fifth = await world.open('script', 'fifth', { group: 'match-42', size: 4 });
  expect(await fifth.failed()).toBe('BATON_LINK_TAKEN');
  await leave([...players, fifth]);
});

test('groups that talk are drained away, from one host and then from the other', async () => {
  const groups = await Promise.all(
    [0, 1, 2, 3].map((at) =>
      open(names(`drained-${at}`, 3 + (at % 2)), () => ({ group: `d-${at}`, size: 3 + (at % 2) })),
    ),
  );
  await Promise.all(groups.map(linked));
  const talking = setInterval(() => groups.forEach(count), 5);
  for (const { id } of await up()) {
    expect(await world.service.drain(id)).toMatchObject({ refused: [] });
    await twoHosts();
  }
  await Promise.all(groups.map((players) => world.together(...players)));
  clearInterval(talking);
  for (const players of groups) expect(await wrong(players)).toEqual([]);
  await leave(groups.flat());
}, 60_000);

test('while a host is drained, groups form all the same, and are never split', async () => {
  await twoHosts();
  const [host] = await up();
  const draining = world.service.drain(host!.id);
  const groups = await Promise.all(
    [0, 1, 2, 3].map((at) => open(names(`late-${at}`, 3), () => ({ group: `l-${at}`, size: 3 }))),
  );
  groups.forEach(count);
  expect(await draining).toMatchObject({ refused: [] });
  await Promise.all(groups.map(linked));
  groups.forEach(count);
  for (const players of groups) expect(await wrong(players)).toEqual([]);
  await Promise.all(groups.map((players) => world.together(...players)));
  await twoHosts();
  const { to } = await world.service.moveAway(groups[0]![1]!.id);
  expect(await Promise.all(groups[0]!.map((player) => world.hostOf(player)))).toEqual([to, to, to]);
  await leave(groups.flat());
}, 60_000);

test('sockets are named by aliases before they exist; the last one that is named makes the link', async () => {
  const aliases = ['red', 'green', 'blue'].map((color) => `match-7:${color}`);
  const answer = (at: number) => ({
    alias: aliases[at],
    peers: aliases.filter((alias) => alias !== aliases[at]),
  });
  const players = await open(names('alias', 3), answer);
  await linked(players);
  const double = await world.open('script', 'double', { alias: 'match-7:red' });
  expect(await double.failed()).toBe('BATON_LINK_TAKEN');
  await players[0]!.leave();
  // the name is free again
  const heir = await world.open('script', 'heir', { alias: 'match-7:red' });
  const finder = await world.open('script', 'finder', { peer: 'match-7:red' });
  await linked([heir, finder]);
  expect([heir, double].flatMap((player) => player.closes)).toEqual([]);
  await leave([...players, double, heir, finder]);
});

test('of one alias that is given twice at the same time one socket has it', async () => {
  const held = await Promise.all(['one', 'two'].map((token) => world.openHeld('script', `twice-${token}`)));
  const players = await Promise.all(held.map((each) => each.release({ alias: 'twice' })));
  const finder = await world.open('script', 'finder-2', { peer: 'twice' });
  const { peers } = (await finder.have('linked'))[0];
  const [other] = players.filter(({ id }) => id !== peers[0]);
  expect(players.map(({ id }) => id)).toContain(peers[0]);
  expect(await other!.failed()).toBe('BATON_LINK_TAKEN');
  await leave([...players, finder]);
});

test('who leaves a group leaves the others linked; who comes takes the place', async () => {
  const group = { group: 'seats', size: 3 };
  const [one, two, three] = (await open(names('seat', 3), () => group)) as [Player, Player, Player];
  await linked([one, two, three]);
  await two.leave();
  for (const player of [one, three]) expect(await player.have('peer-left')).toEqual([{ peer: two.id }]);
  count([one, three]);
  expect(await wrong([one, three])).toEqual([]);
  const next = await world.open('script', 'seat-next', group);
  await linked([one, three, next]);
  await three.leave();
  await next.leave();
  await one.have('peer-left', 3);
  one.send('anybody?');
  expect(await one.failed()).toBe('BATON_NOT_LINKED');
  await one.leave();
  const closing = await open(names('closing', 3), () => ({ group: 'closing', size: 3 }), 'closing');
  await linked(closing);
  await closing[0]!.leave();
  await Promise.all(closing.map((player) => player.have('close')));
  expect(closing.slice(1).flatMap(({ closes }) => closes.map(({ code }) => code))).toEqual([4014, 4014]);
});

test('a socket is unlinked and linked anew, from outside; nobody is closed who did not lose a peer', async () => {
  const [one, two, three] = (await open(names('relink', 3), () => ({}), 'closing')) as [
    Player,
    Player,
    Player,
  ];
  expect(await world.links(one.id, 'link', { peer: two.id })).toEqual({ waits: false, peers: [two.id] });
  await linked([one, two]);
  expect(await world.links(three.id, 'link', { peer: one.id })).toEqual({ code: 'BATON_LINK_TAKEN' });
  expect(await world.links('nobody', 'link', { peer: one.id })).toEqual({ code: 'BATON_SOCKET_NOT_FOUND' });
  expect(await world.links(one.id, 'link', { unlink: true, peer: three.id })).toEqual({
    waits: false,
    peers: [three.id],
  });
  await linked([one, three]);
  expect(await one.have('peer-left')).toEqual([{ peer: two.id }]);
  await two.have('close'); // as its mapping says
  expect(await world.links(three.id, 'unlink')).toEqual({});
  await one.have('close');
  expect(await three.have('peer-left')).toEqual([{ peer: one.id }]);
  expect(await world.links(three.id, 'link', { peer: 'later' })).toEqual({ waits: true, peers: [] });
  expect(await world.links(three.id, 'unlink')).toEqual({});
  expect(three.closes).toEqual([]);
  await three.leave();
});

/** Linked sockets are on their way to each other. */
function alreadyMoving(error: { code?: string }): void {
  if (error.code !== 'BATON_MOVE_IN_PROGRESS') throw error;
}

test('links that are made while their sockets close, leave or move leave nothing half-made', async () => {
  await twoHosts();
  for (let i = 0; i < 8; i++) {
    const [one, two, three] = (await open(names(`race-${i}`, 3), () => ({}))) as [Player, Player, Player];
    await Promise.all([
      world.links(one.id, 'link', { peers: [two.id, three.id] }),
      i % 2 ? two.leave() : world.service.moveAway(two.id).catch(alreadyMoving),
      ...(i % 4 < 2 ? [world.links(three.id, 'unlink')] : []),
    ]);
    // whatever came first: those who are there can be linked
    for (const player of [one, three]) await world.links(player.id, 'unlink');
    const answer = await world.links(one.id, 'link', { peer: three.id });
    expect(answer).toEqual({ waits: false, peers: [three.id] });
    await linked([one, three]);
    count([one, three]);
    expect(await wrong([one, three])).toEqual([]);
    await leave([one, two, three]);
  }
}, 60_000);
