import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from 'redis';
import { openStore } from '../../server/src/store/index.ts';
import { scripts } from '../../server/src/store/redis/scripts.ts';
import { createLog, silentLog as log } from '../../server/src/telemetry/index.ts';
import { redisBackend } from './backend.ts';
import { conformance } from './conformance.ts';
import { expectCode, host, Inbox, LONG } from './support.ts';

conformance(() => redisBackend());

describe('Redis', () => {
  const password = 'p@ss/word:1';
  let backend: Awaited<ReturnType<typeof redisBackend>>;
  beforeAll(async () => {
    backend = await redisBackend(password);
  });
  afterAll(() => backend?.close());

  test('services with different prefixes do not see each other, keys and channels alike', async () => {
    const [a, b] = [await (await backend.space()).open(), await (await backend.space()).open()];
    const inbox = new Inbox();
    expect([await a.nextHostId(), await b.nextHostId()]).toEqual(['h1', 'h1']);
    await a.putHost(host('h1'), LONG);
    await a.claim('r', 'h1');
    await a.presence.set('k', 'v');
    await a.presence.subscribe('topic', inbox.receive);
    await a.driver.insert!({ roomId: 'r', name: 'x', processId: 'p', clients: 0, maxClients: 1 });
    expect(await b.hosts()).toEqual([]);
    expect(await b.owner('r')).toBeUndefined();
    expect(await b.presence.get('k')).toBeNull();
    expect(await b.presence.channels()).toEqual([]);
    expect(await b.driver.query({})).toEqual([]);
    await b.presence.publish('topic', 'of b');
    await a.presence.publish('topic', 'of a');
    expect(await inbox.have(1)).toEqual(['of a']);
  });

  test('every key starts with the prefix', async () => {
    const space = await backend.space();
    const { url, prefix } = space.options as { url: string; prefix: string };
    const store = await space.open();
    await store.putHost(host(await store.nextHostId()), LONG);
    await store.claim('r', 'h1');
    await store.set('k', 'v');
    await store.presence.rpush('list', 'x');
    await store.presence.hincrbyex('h', 'f', 1, 60);
    await store.driver.insert!({ roomId: 'r', name: 'x', processId: 'p', clients: 0, maxClients: 1 });
    const client = await createClient({ url }).connect();
    const keys = (await client.keys('*')).filter((key) => !/^space\d+:/.test(key));
    expect(keys).toEqual([]);
    const own = (await client.keys(`${prefix}*`)).map((key) => key.slice(prefix.length).split(':')[0]!);
    expect([...new Set(own)].sort()).toEqual(['driver', 'presence', 'record', 'registry']);
    client.destroy();
  });

  test('scripts that the server forgot are sent again', async () => {
    const space = await backend.space();
    const store = await space.open();
    const client = await createClient({ url: (space.options as { url: string }).url }).connect();
    await client.scriptFlush();
    client.destroy();
    await store.putHost(host('h1'), LONG);
    expect(await store.claim('r', 'h1')).toEqual({ roomId: 'r', host: 'h1', epoch: 1 });
  });

  test('a script file says how many keys it takes, and each file is used', () => {
    for (const { name, keys, source } of Object.values(scripts)) {
      const used = [...source.matchAll(/KEYS\[(\d)\]/g)].map((match) => Number(match[1]));
      const many = /ipairs\(KEYS\)|#KEYS/.test(source);
      expect([name, many ? 'n' : String(Math.max(...used))]).toEqual([name, keys]);
      expect(source).not.toMatch(/^-- include/m);
    }
    const folder = new URL('../../server/src/store/redis/commands/', import.meta.url);
    const files = readdirSync(folder).filter((file) => file.endsWith('.lua'));
    const named = Object.values(scripts).map(({ name, keys }) => `${name}-${keys}.lua`);
    expect(files.sort()).toEqual(named.sort());
  });

  test('neither password nor user name is in any log line or error', async () => {
    const lines: string[] = [];
    const talkative = createLog({ level: 'trace', format: 'json', write: (line) => lines.push(line) });
    const secrets = ['wr0ng-secret', 'us3r-name', encodeURIComponent(password), password];
    const told = async (url: string) => {
      const opening = openStore({ kind: 'redis', url, log: talkative, deadlineMs: 300 });
      const error = await opening.then(
        () => new Error('opened'),
        (reason: Error) => reason,
      );
      return (
        JSON.stringify([error.message, error, (error as any).stack, String(error.cause ?? '')]) +
        lines.join('')
      );
    };
    const at = `127.0.0.1:${backend.port}`;
    const urls = [
      `redis://us3r-name:wr0ng-secret@${at}`,
      `redis://:wr0ng-secret@127.0.0.1:1`,
      `redis://:${encodeURIComponent(password)}@nowhere.invalid:1`,
      `http://us3r-name:wr0ng-secret@${at}`,
      `redis://us3r-name:wr0ng-secret@${at}/nodb`,
      `us3r-name:wr0ng-secret@@${at}:x`,
    ];
    for (const url of urls) {
      const text = await told(url);
      expect(text).toMatch(/BATON_(STORE_UNAVAILABLE|INVALID_OPTION)/);
      for (const secret of secrets) expect(text).not.toContain(secret);
    }
  });

  test('a URL that is none is refused at once', async () => {
    for (const url of ['', 'localhost:6379', 'http://localhost', 'redis://localhost/x']) {
      await expectCode(openStore({ kind: 'redis', url, log }), 'BATON_INVALID_OPTION');
    }
  });
});
