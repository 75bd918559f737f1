// How a player's token is verified: who may have signed it, and what it has to say.
import { createHmac, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { JWTPayload } from 'jose';
import { AddressGuard } from '../../server/src/calls/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { Tokens, tenantSettings } from '../../server/src/tenants/index.ts';
import { endAll, ends, forge, hmac, now, secret, sign, tokens } from './signing.ts';

const other = Buffer.alloc(32, 2).toString('base64');
afterEach(endAll);

describe('with a shared secret', () => {
  test('the player is who the token says, with its claims', async () => {
    const { verify } = tokens({ secrets: [secret] });
    const found = await verify(await sign({ team: 'red' }));
    expect(found).toMatchObject({ playerId: 'ann', claims: { sub: 'ann', team: 'red' } });
  });

  test('each secret of a rotation may have signed, another one not', async () => {
    const { verify } = tokens({ secrets: [other, secret] });
    expect((await verify(await sign({}))).playerId).toBe('ann');
    expect((await verify(await sign({}, other))).playerId).toBe('ann');
    await expect(verify(await sign({}, randomBytes(32).toString('hex')))).rejects.toMatchObject({
      code: 'BATON_TOKEN_INVALID',
      message: expect.stringContaining('made its signature'),
    });
  });

  test('HS384 and HS512 where they are allowed', async () => {
    const long = randomBytes(64).toString('hex');
    const { verify } = tokens({ secrets: [long], algorithms: ['HS384', 'HS512'] });
    expect((await verify(await sign({}, long, 'HS384'))).playerId).toBe('ann');
    expect((await verify(await sign({}, long, 'HS512'))).playerId).toBe('ann');
    await expect(verify(await sign({}, long, 'HS256'))).rejects.toThrow('its "alg" is not one');
  });

  const claims = { sub: 'ann', exp: 9_999_999_999 };
  const strict = {
    secrets: [secret],
    audience: ['game', 'beta'],
    issuer: 'https://id.studio.example',
    maxLifetime: '1h',
  };
  const good = () => ({ aud: 'beta', iss: 'https://id.studio.example', iat: now(), exp: now() + 60 });

  test.each<[string, string, () => string | undefined | Promise<string>]>([
    ['none at all', 'there is none; pass { token }', () => undefined],
    ['an empty one', 'there is none; pass { token }', () => ''],
    ['a name', 'not a signed JSON Web Token', () => 'ann'],
    ['three words', 'not a signed JSON Web Token', () => 'a.b.c'],
    ['one that is too long', 'longer than 8192 bytes', () => 'a'.repeat(8_193)],
    ['alg none', '"alg" is not one', () => forge({ alg: 'none' }, claims, () => '')],
    ['alg None', '"alg" is not one', () => forge({ alg: 'None' }, claims, () => '')],
    ['an empty signature', 'made its signature', () => forge({ alg: 'HS256' }, claims, () => '')],
    ['no alg', 'not a signed JSON Web Token', () => forge({}, claims, hmac(secret))],
    [
      'a longer hash than allowed',
      '"alg" is not one',
      () =>
        forge({ alg: 'HS512' }, claims, (i) => createHmac('sha512', secret).update(i).digest('base64url')),
    ],
    [
      'its own key in the header',
      'made its signature',
      () =>
        forge(
          { alg: 'HS256', jwk: { kty: 'oct', k: Buffer.from(other).toString('base64url') } },
          claims,
          hmac(other),
        ),
    ],
    [
      'an extension it does not know',
      'not supported',
      () => forge({ alg: 'HS256', crit: ['x'], x: 1 }, claims, hmac(secret)),
    ],
    [
      'an unencoded payload',
      'not',
      () => forge({ alg: 'HS256', crit: ['b64'], b64: false }, claims, hmac(secret)),
    ],
    [
      'claims that were changed',
      'made its signature',
      async () => {
        const [header, , signature] = (await sign({})).split('.');
        const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'bob' })).toString('base64url');
        return `${header}.${changed}.${signature}`;
      },
    ],
    [
      'a payload that is no object',
      'not a signed JSON Web Token',
      () => forge({ alg: 'HS256' }, ['x'], hmac(secret)),
    ],
    ['no exp', 'it has no "exp"', () => sign({ exp: undefined })],
    [
      'an exp that is text',
      'its "exp" is malformed',
      () => forge({ alg: 'HS256' }, { sub: 'a', exp: 'x' }, hmac(secret)),
    ],
    ['nbf in the future', 'not valid yet', () => sign({ nbf: now() + 60 })],
    ['no sub', 'its claim "sub" is missing', () => sign({ sub: undefined })],
    ['an empty sub', 'is not the name of a player', () => sign({ sub: '' })],
    [
      'a sub that is a number',
      'is not the name',
      () => forge({ alg: 'HS256' }, { ...claims, sub: 7 }, hmac(secret)),
    ],
    ['a long sub', 'longer than 128 characters', () => sign({ sub: 'a'.repeat(129) })],
    ['a sub that is no text', 'not well-formed', () => sign({ sub: '\ud800' })],
  ])('%s is refused', async (_name, reason, make) => {
    const { verify } = tokens({ secrets: [secret] });
    await expect(verify(await make())).rejects.toMatchObject({
      code: 'BATON_TOKEN_INVALID',
      status: 401,
      message: expect.stringContaining(reason),
    });
  });

  test.each<[string, object, string | undefined]>([
    ['as it should be', {}, undefined],
    ['one of several audiences', { aud: ['x', 'game'] }, undefined],
    ['another audience', { aud: 'other' }, 'its "aud" is not one that the tenant takes'],
    ['no audience', { aud: undefined }, 'it has no "aud"'],
    ['another issuer', { iss: 'https://evil.example' }, 'its "iss" is not one that the tenant takes'],
    ['no issuer', { iss: undefined }, 'it has no "iss"'],
    ['no iat', { iat: undefined }, 'it has no "iat"'],
    ['too long a life', { exp: now() + 7_200 }, 'its "exp" is more than 3600 s after its "iat"'],
    ['made in the future', { iat: now() + 600, exp: now() + 700 }, 'its "iat" is in the future'],
  ])('a tenant that is strict: %s', async (_name, claims, reason) => {
    const { verify } = tokens(strict);
    const result = verify(await sign({ ...good(), ...claims } as JWTPayload));
    if (reason === undefined) expect((await result).playerId).toBe('ann');
    else
      await expect(result).rejects.toMatchObject({
        code: 'BATON_TOKEN_INVALID',
        message: expect.stringContaining(reason),
      });
  });

  test('an expired one has a code of its own; the clock may be off by so much', async () => {
    const token = await sign({ exp: now() - 20 });
    await expect(tokens({ secrets: [secret] }).verify(token)).rejects.toMatchObject({
      code: 'BATON_TOKEN_EXPIRED',
      message: expect.stringMatching(/^The token expired at 2\d{3}-/),
    });
    expect((await tokens({ secrets: [secret], clockSkew: '1m' }).verify(token)).playerId).toBe('ann');
  });

  test('that a forged one is expired is not told', async () => {
    await expect(
      tokens({ secrets: [secret] }).verify(await sign({ exp: now() - 20 }, other)),
    ).rejects.toMatchObject({
      code: 'BATON_TOKEN_INVALID',
    });
  });

  test('another claim may name the player', async () => {
    const { verify } = tokens({ secrets: [secret], playerClaim: 'https://studio.example/id' });
    expect((await verify(await sign({ 'https://studio.example/id': 'p1' }))).playerId).toBe('p1');
    await expect(verify(await sign({}))).rejects.toThrow('its claim "https://studio.example/id" is missing');
  });

  test('errors hold neither token nor secret', async () => {
    const token = await sign({ aud: 'mine' }, other);
    const error = await tokens(strict)
      .verify(token)
      .then(String, (thrown) => JSON.stringify(thrown));
    for (const hidden of [secret, other, token, 'mine', 'studio.example'])
      expect(error).not.toContain(hidden);
  });
});

describe('without a policy', () => {
  test('nobody opens anything, and the error says what to add', async () => {
    await expect(tokens(undefined).verify('ann')).rejects.toMatchObject({
      code: 'BATON_TOKEN_POLICY_MISSING',
      message: expect.stringContaining('`tokens: { secrets: ['),
    });
  });

  test('in development the token is the player’s name, and the log says so once', async () => {
    const said: string[] = [];
    const log = { ...silentLog, warn: (text: string) => said.push(text) } as unknown as typeof silentLog;
    const made = new Tokens({ policyOf: () => undefined, development: true, guard: new AddressGuard(), log });
    ends.push(() => made.close());
    expect(await made.verify('default', 'ann')).toEqual({ playerId: 'ann', claims: {} });
    await made.verify('default', 'bob');
    expect(said).toEqual([expect.stringContaining('NOT verified')]);
    for (const wrong of ['', undefined, 'a'.repeat(129), '\ud800'])
      await expect(made.verify('default', wrong)).rejects.toMatchObject({ code: 'BATON_TOKEN_INVALID' });
  });
});

describe('settings that are refused', () => {
  test.each<[object, string]>([
    [{}, 'either `secrets` or `jwks`'],
    [{ secrets: [secret], jwks: 'https://id.example/jwks' }, 'either `secrets` or `jwks`'],
    [{ secrets: ['hunter2'] }, 'at least 32 bytes long'],
    [{ secrets: [secret], algorithms: ['HS512'] }, 'at least 64 bytes long'],
    [{ secrets: [secret], algorithms: ['RS256'] }, 'HS256, HS384, HS512'],
    [{ secrets: [secret], algorithms: ['none'] }, 'Invalid option'],
    [{ secrets: [secret], algorithms: [] }, 'Too small'],
    [
      { jwks: 'https://id.example/jwks', algorithms: ['RS256', 'HS256'] },
      'with `jwks` they are some of RS256',
    ],
    [{ jwks: 'http://id.example/jwks' }, 'only https'],
    [{ jwks: 'file:///etc/passwd' }, 'Invalid URL'],
    [{ secrets: [secret], clockSkew: '10m' }, 'Too big'],
    [{ secrets: [secret], clockScew: '1s' }, 'Unrecognized key: "clockScew"'],
  ])('%j', (given, reason) => {
    const parsed = tenantSettings.safeParse({ tokens: given });
    expect(parsed.error?.issues.map((issue) => issue.message).join()).toContain(reason);
    expect(String(parsed.error)).not.toContain('hunter2');
  });
});
