import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LogRing } from '../../server/src/functions/log-ring.ts';
import { secretsKey } from '../../server/src/functions/secrets.ts';
import { until } from '../support/service.ts';
import { answers, Bench, bundle, call } from './support.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start();
});
afterAll(() => bench.stop());

const ask = async (tenant: string, name: string, at?: string) =>
  call(await bench.runner.socket(tenant, name), at);
const linesOf = async (tenant: string, name: string) =>
  (await bench.runner.logs(tenant, name, 0, 100, 0)).lines.map(({ level, text }) => `${level}: ${text}`);

describe('secrets', () => {
  test('are not in a log, also where they have lines, or one is part of another', () => {
    const ring = new LogRing();
    const pem = '-----BEGIN KEY-----\nMIIE\n-----END KEY-----';
    const secrets = ['swordfish', 'swordfish-2', pem];
    ring.push({ level: 'info', text: `${pem} swordfish-2 swordfish`, version: 1 }, secrets);
    expect(ring.read(0, 1)[0]!.text).toBe('[secret] [secret] [secret]');
  });

  const reveal = answers('(console.log("key", env.KEY), env.KEY)');

  test('a function gets the one it names, its log does not show it, and a new value reaches it', async () => {
    await bench.runner.setSecret('t', 'api-key', 'swordfish"\\\n☃');
    await bench.runner.deploy('t', 'keeper', bundle(reveal, { env: { KEY: 'api-key' } }));
    expect(await ask('t', 'keeper')).toEqual({ status: 200, text: 'swordfish"\\\n☃' });
    await until(async () => (await linesOf('t', 'keeper')).length > 0, 'its line');
    expect(await linesOf('t', 'keeper')).toEqual(['info: key [secret]']);
    await bench.runner.setSecret('t', 'api-key', 'tuna');
    await until(async () => (await ask('t', 'keeper')).text === 'tuna', 'the new value');
  });

  test('none of them is readable in the store, by a list, or by another tenant', async () => {
    expect(await bench.runner.secrets('t')).toEqual([{ name: 'api-key', updatedAt: expect.any(Number) }]);
    expect((await bench.store.get('function-secrets:t'))!.value).not.toMatch(/tuna|swordfish/);
    expect(await bench.runner.secrets('other')).toEqual([]);
    const thief = bundle(reveal, { env: { KEY: 'api-key' } });
    await expect(bench.runner.deploy('other', 'thief', thief)).rejects.toMatchObject({
      code: 'BATON_SECRET_NOT_FOUND',
    });
    // not even with the sealed record itself
    await bench.store.set('function-secrets:other', (await bench.store.get('function-secrets:t'))!.value);
    await expect(bench.runner.deploy('other', 'thief', thief)).rejects.toMatchObject({
      code: 'BATON_SECRETS_UNAVAILABLE',
    });
  });

  test('one that is used cannot be deleted; without a key none can be set', async () => {
    await expect(bench.runner.removeSecret('t', 'api-key')).rejects.toMatchObject({
      code: 'BATON_SECRET_IN_USE',
    });
    await bench.runner.remove('t', 'keeper');
    await bench.runner.removeSecret('t', 'api-key');
    await expect(bench.runner.removeSecret('t', 'api-key')).rejects.toMatchObject({
      code: 'BATON_SECRET_NOT_FOUND',
    });
    const keyless = await bench.another(() => secretsKey(undefined));
    await expect(keyless.setSecret('t', 'a', 'b')).rejects.toMatchObject({
      code: 'BATON_SECRETS_UNAVAILABLE',
    });
    for (const key of ['short', 'x'.repeat(44)]) expect(() => secretsKey(key)).toThrow('BATON_SECRETS_KEY');
  });
});
