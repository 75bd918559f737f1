// Tokens that are verified by the keys that their issuer publishes.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { exportJWK } from 'jose';
import { AddressGuard } from '../../server/src/calls/index.ts';
import { endAll, ends, forge, hmac, now, sign, tokens } from './signing.ts';

afterEach(endAll);

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
