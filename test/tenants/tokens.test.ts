// How a player's token is verified: who may have signed it, and what it has to say.
import { createHmac, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';
import { AddressGuard } from '../../server/src/calls/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { type TenantSettings, Tokens, tenantSettings } from '../../server/src/tenants/index.ts';

type Policy = NonNullable<TenantSettings['tokens']>;

const secret = Buffer.alloc(32, 1).toString('base64');
const other = Buffer.alloc(32, 2).toString('base64');
const now = () => Math.floor(Date.now() / 1_000);
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const policy = (tokens: object): Policy => tenantSettings.parse({ tokens }).tokens!;

function tokens(
  given: object | undefined,
  more: { development?: boolean; guard?: AddressGuard; now?: () => number } = {},
) {
  const fixed = given && policy(given);
  const made = new Tokens({
    policyOf: () => fixed,
    development: false,
    guard: new AddressGuard(['127.0.0.0/8']),
    log: silentLog,
    ...more,
  });
  ends.push(() => made.close());
  return { verify: (token: string | undefined) => made.verify('default', token) };
}

const sign = (claims: JWTPayload, key: string | KeyObject = secret, alg = 'HS256', kid?: string) =>
  new SignJWT({ sub: 'ann', exp: now() + 60, ...claims })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .sign(typeof key === 'string' ? Buffer.from(key) : key);

/** A token whose header and signature nobody would make by a library. */
const forge = (header: object, claims: object, signature: (input: string) => string) => {
  const input = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${input}.${signature(input)}`;
};
const hmac = (key: string | Buffer) => (input: string) =>
  createHmac('sha256', key).update(input).digest('base64url');

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

describe('with the issuer’s keys', () => {
  const pair = (kid?: string, type = 'ec') => {
    const { publicKey, privateKey } =
      type === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : type === 'rsa'
          ? generateKeyPairSync('rsa', { modulusLength: 2048 })
          : generateKeyPairSync('ed25519');
    return {
      publicKey,
      privateKey,
      jwk: async () => ({ ...(await exportJWK(publicKey)), ...(kid ? { kid } : {}) }),
    };
  };

  async function issuer(answer: RequestListener) {
    let asked = 0;
    const listener: { answer: RequestListener } = { answer };
    const server: Server = createServer((request, response) => {
      asked++;
      listener.answer(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ends.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
      asked: () => asked,
      answers: (next: RequestListener) => {
        listener.answer = next;
      },
    };
  }
  const jwks =
    (...keys: object[]): RequestListener =>
    (_request, response) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  const down: RequestListener = (request) => request.socket.destroy();

  test.each([
    ['ES256', 'ec'],
    ['RS256', 'rsa'],
    ['EdDSA', 'ed25519'],
  ])('%s', async (alg, type) => {
    const key = pair('k1', type);
    const { url } = await issuer(jwks(await key.jwk()));
    const { verify } = tokens({ jwks: url });
    expect((await verify(await sign({}, key.privateKey, alg, 'k1'))).playerId).toBe('ann');
  });

  test('they are fetched once', async () => {
    const key = pair('k1');
    const { url, asked } = await issuer(jwks(await key.jwk()));
    const { verify } = tokens({ jwks: url });
    const token = await sign({}, key.privateKey, 'ES256', 'k1');
    await Promise.all(Array.from({ length: 8 }, () => verify(token)));
    await verify(token);
    expect(asked()).toBe(1);
  });

  test('a public key is not taken for a secret', async () => {
    const key = pair('k1', 'rsa');
    const { url } = await issuer(jwks(await key.jwk()));
    const pem = key.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const forged = forge({ alg: 'HS256', kid: 'k1' }, { sub: 'ann', exp: now() + 60 }, hmac(pem));
    await expect(tokens({ jwks: url }).verify(forged)).rejects.toThrow(
      'its "alg" is not one that the tenant takes',
    );
  });

  test('keys without names: any of them may have signed', async () => {
    const [one, two, stranger] = [pair(), pair(), pair()];
    const { url } = await issuer(jwks(await one.jwk(), await two.jwk()));
    const { verify } = tokens({ jwks: url });
    expect((await verify(await sign({}, two.privateKey, 'ES256'))).playerId).toBe('ann');
    await expect(verify(await sign({}, stranger.privateKey, 'ES256'))).rejects.toThrow('made its signature');
  });

  test('a new key is fetched when a token names it, but not for every made-up name; a removed one no longer counts', async () => {
    let time = 0;
    const [one, two] = [pair('k1'), pair('k2')];
    const it = await issuer(jwks(await one.jwk()));
    const { verify } = tokens({ jwks: it.url }, { now: () => time });
    const token = (key: typeof one, kid: string) => sign({}, key.privateKey, 'ES256', kid);
    await verify(await token(one, 'k1'));
    it.answers(jwks(await two.jwk()));
    time += 60_000;
    expect((await verify(await token(two, 'k2'))).playerId).toBe('ann');
    expect(it.asked()).toBe(2);
    for (let i = 0; i < 5; i++)
      await expect(verify(await token(two, `made-up-${i}`))).rejects.toThrow('signature');
    expect(it.asked()).toBe(2);
    await expect(verify(await token(one, 'k1'))).rejects.toThrow('signature');
  });

  test('while the issuer is away its last keys are used; one that never answered is unavailable, not wrong', async () => {
    let time = 0;
    const key = pair('k1');
    const token = await sign({}, key.privateKey, 'ES256', 'k1');
    const it = await issuer(down);
    const { verify } = tokens({ jwks: it.url }, { now: () => time });
    await expect(verify(token)).rejects.toMatchObject({ code: 'BATON_TOKEN_KEYS_UNAVAILABLE', status: 503 });
    const asked = it.asked();
    await expect(verify(token)).rejects.toMatchObject({ code: 'BATON_TOKEN_KEYS_UNAVAILABLE' });
    expect(it.asked()).toBe(asked); // not yet again
    it.answers(jwks(await key.jwk()));
    time += 60_000;
    await verify(token);
    it.answers(down);
    time += 24 * 3_600_000;
    expect((await verify(token)).playerId).toBe('ann');
  });

  test.each<[string, RequestListener, string]>([
    ['500', (_request, response) => response.writeHead(500).end(), 'status 500'],
    [
      'a redirect',
      (_request, response) => response.writeHead(302, { location: 'https://x.example/' }).end(),
      'status 302',
    ],
    ['a page', (_request, response) => response.end('<html>'), 'no JSON Web Key Set'],
    ['other JSON', (_request, response) => response.end('{"keys":[7]}'), 'no JSON Web Key Set'],
    ['too much', (_request, response) => response.end(`{"keys":[],"x":"${'x'.repeat(100_000)}"}`), 'UND_ERR'],
    ['101 keys', jwks(...Array.from({ length: 101 }, () => ({ kty: 'EC' }))), 'no JSON Web Key Set'],
  ])('an issuer that answers with %s has no keys', async (_name, answer, reason) => {
    const { url } = await issuer(answer);
    const token = await sign({}, pair().privateKey, 'ES256');
    await expect(tokens({ jwks: url }).verify(token)).rejects.toMatchObject({
      code: 'BATON_TOKEN_KEYS_UNAVAILABLE',
      message: expect.stringContaining(reason),
    });
  });

  test('they are fetched only where functions may be', async () => {
    const { url, asked } = await issuer(jwks());
    const { verify } = tokens({ jwks: url }, { guard: new AddressGuard() });
    await expect(verify(await sign({}, pair().privateKey, 'ES256'))).rejects.toMatchObject({
      code: 'BATON_TOKEN_KEYS_UNAVAILABLE',
      message: expect.not.stringContaining('127.0.0.1'),
    });
    expect(asked()).toBe(0);
  });
});
