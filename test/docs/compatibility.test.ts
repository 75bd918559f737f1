import { expect, test } from '@jest/globals';
import { TESTED_VERSIONS } from '../../server/src/host/versions.ts';
import { codeIn, filesOf, read, rowsOf } from './markdown.ts';

const page = 'docs/compatibility.md';
const versionsIn = (rows: string[][]) =>
  Object.fromEntries(
    rows.filter((row) => row.length === 2).map(([name, version]) => [codeIn(name)!, version]),
  );

test('the Colyseus versions are those that a host accepts, and the app of the repository has', () => {
  const listed = versionsIn(rowsOf(page, 'Colyseus'));
  const { dependencies, peerDependencies } = JSON.parse(read('server/package.json'));
  expect(listed).toMatchObject(TESTED_VERSIONS);
  for (const [name, version] of Object.entries(listed)) {
    expect([name, version]).toEqual([name, { ...dependencies, ...peerDependencies }[name]]);
    if (!(name in TESTED_VERSIONS)) expect(dependencies).toHaveProperty([name]);
  }
});

test('the Node versions are those of the launcher and of the packages', () => {
  const [, major, minor] = /oldestNode = \[(\d+), (\d+)\]/.exec(read('server/bin/baton.mjs'))!;
  const nodes = rowsOf(page, 'Node').map(([version]) => version);
  expect(nodes).toContain(`${major}.${minor} and newer ${major}`);
  expect(JSON.parse(read('server/package.json')).engines.node).toBe(`>=${major}.${minor}`);
  expect(read(page)).toContain(`\`node\` ${JSON.parse(read('package.json')).devDependencies.node})`);
});

const membersOf = (body: string) =>
  [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, name]) => name!);

test('every internal of rooms, servers and timers is named, and every file that declares some is linked', () => {
  const text = read(page);
  const room = /interface RoomInternals \{[\s\S]*?\n\}/.exec(
    read('server/src/colyseus/room-internals.ts'),
  )![0];
  const others = ['server', 'timer'].map((part) => read(`server/src/colyseus/${part}-internals.ts`));
  const names = [room, ...others].flatMap(membersOf);
  expect(names.length).toBeGreaterThan(30);
  expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  for (const file of filesOf('server/src/colyseus', '.ts')) expect(text).toContain(`](../${file})`);
});

test('internals are declared nowhere else', () => {
  const folder = 'server/src/colyseus';
  const declared = filesOf(folder, '.ts').flatMap((file) => membersOf(read(file)));
  const internal = declared.filter(
    (name) => name.startsWith('_') || name === 'bootRuntime' || name === 'invokeMethod',
  );
  expect(internal.length).toBeGreaterThan(20);
  // as a member of a type, on its own line or within braces
  const own = new RegExp(
    `(?:^|[{;])\\s*(?:readonly )?(${internal.join('|')})\\??(?:\\([^)]*\\))?: [^;]*;`,
    'm',
  );
  // a type that looks into what Colyseus hides; Node's own are looked into elsewhere
  const cast = /as unknown as \{ (?!\[)(?!_onTimeout|_load|_handle|_createServerHandle)\w+\??[:(]/;
  // one implements what Colyseus keeps on clients; the bots are clients
  const apart = [folder, 'server/src/transport/client.ts', 'server/src/cli/bots'];
  for (const file of filesOf('server/src', '.ts')) {
    if (apart.some((path) => file.startsWith(path))) continue;
    expect([file, own.exec(read(file))?.[1], cast.exec(read(file))?.[0]]).toEqual([
      file,
      undefined,
      undefined,
    ]);
  }
});

test('every patch of a prototype is listed, and nothing else', () => {
  const hooks = read('server/src/migration/room/hooks.ts');
  const timers = read('server/src/migration/room/timers.ts');
  const room = [
    ...hooks.matchAll(/\bproto\(\)\.(\w+) = /g),
    ...hooks.matchAll(/^ {2}room\.(\w+) = function/gm),
    ...hooks.matchAll(/defineProperty\(Room\.prototype, '(\w+)'/g),
  ].map(([, name]) => `Room.${name}`);
  const events = [...hooks.matchAll(/^ {2}handler\.(\w+) = function/gm)].map(
    ([, name]) => `RegisteredHandler.${name}`,
  );
  const installed = timers.slice(timers.indexOf('export function installTimers'));
  const methods = /for \(const method of \[([^\]]+)\] as const\)/.exec(installed)![1]!;
  const clock = [...methods.matchAll(/'(\w+)'/g)].map(([, name]) => `Clock.${name}`);
  const queue = [
    ...read('server/src/migration/room/queue-room.ts').matchAll(/QueueRoom\.prototype\.(\w+) = /g),
  ].map(([, name]) => `QueueRoom.${name}`);
  const listed = rowsOf(page, 'Patches').flatMap(([what]) => {
    const names = [...what!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
    const owner = /^(\w+)\.prototype\./.exec(names[0]!)![1];
    return names.map((name) => `${owner}.${name.split('.').at(-1)}`);
  });
  expect(listed.sort()).toEqual([...room, ...events, ...clock, ...queue].sort());
});
