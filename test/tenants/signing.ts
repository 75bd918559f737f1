// Tokens as players bring them, and what verifies them.
import { createHmac, type KeyObject } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';
import { AddressGuard } from '../../server/src/calls/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { type TenantSettings, Tokens, tenantSettings } from '../../server/src/tenants/index.ts';

type Policy = NonNullable<TenantSettings['tokens']>;

export const secret = Buffer.alloc(32, 1).toString('base64');
export const now = () => Math.floor(Date.now() / 1_000);
export const ends: (() => unknown)[] = [];

export async function endAll(): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

const policy = (tokens: object): Policy => tenantSettings.parse({ tokens }).tokens!;

export function tokens(
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

export const sign = (claims: JWTPayload, key: string | KeyObject = secret, alg = 'HS256', kid?: string) =>
  new SignJWT({ sub: 'ann', exp: now() + 60, ...claims })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .sign(typeof key === 'string' ? Buffer.from(key) : key);

/** A token whose header and signature nobody would make by a library. */
export const forge = (header: object, claims: object, signature: (input: string) => string) => {
  const input = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${input}.${signature(input)}`;
};
export const hmac = (key: string | Buffer) => (input: string) =>
  createHmac('sha256', key).update(input).digest('base64url');
