// Who a player is: a JSON Web Token, signed by the tenant's secret or its issuer's key, says so.
import { webcrypto } from 'node:crypto';
import { errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import { Agent } from 'undici';
import type { AddressGuard } from '../calls/index.ts';
import { tokenExpired, tokenInvalid, tokenKeysUnavailable, tokenPolicyMissing } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';
import { KeySet } from './key-set.ts';
import type { TokenPolicy } from './token-policy.ts';

/** Bytes; what is longer is not looked at. */
const MAX_TOKEN_BYTES = 8 * 1024;
export const MAX_PLAYER_ID = 128;
/** Key sets are read no further. */
const MAX_KEY_SET_BYTES = 64 * 1024;
const CONNECT_MS = 2_000;

const UNVERIFIED =
  'Tokens of tenants without `tokens` in baton.config are NOT verified: this is development, each is taken as the ' +
  'name of its player. Do not open this port to the public.';

export interface TokensOptions {
  /** The tenant's way; undefined = it has none. */
  policyOf(tenant: string): TokenPolicy | undefined;
  /** A token of a tenant without a policy is its player's name, instead of refused. */
  development: boolean;
  /** Where key sets may be fetched. */
  guard: AddressGuard;
  log: Log;
  /** Milliseconds, for the age of key sets; default `performance.now`. */
  now?: () => number;
}

export interface Player {
  playerId: string;
  claims: JWTPayload;
}

type Check = (token: string) => Promise<JWTPayload>;

export class Tokens {
  private readonly options: TokensOptions;
  private readonly agent: Agent;
  /** Settings that change are another object. */
  private readonly checks = new WeakMap<TokenPolicy, Check>();
  private warned = false;

  constructor(options: TokensOptions) {
    this.options = options;
    this.agent = new Agent({
      connect: options.guard.connector({ timeout: CONNECT_MS }),
      maxResponseSize: MAX_KEY_SET_BYTES,
      connections: 4,
    });
  }

  /**
   * The player a token stands for.
   * @throws BATON_TOKEN_INVALID, BATON_TOKEN_EXPIRED; BATON_TOKEN_KEYS_UNAVAILABLE when the issuer's keys were never
   *   fetched; BATON_TOKEN_POLICY_MISSING when the tenant does not say how, outside development
   */
  async verify(tenant: string, token: string | undefined): Promise<Player> {
    const policy = this.options.policyOf(tenant);
    if (!token) throw tokenInvalid({ reason: 'there is none; pass { token }' });
    if (Buffer.byteLength(token) > MAX_TOKEN_BYTES)
      throw tokenInvalid({ reason: `it is longer than ${MAX_TOKEN_BYTES} bytes` });
    if (policy) {
      const claims = await this.checkOf(tenant, policy)(token);
      return { playerId: playerId(claims[policy.playerClaim], `its claim "${policy.playerClaim}"`), claims };
    }
    if (!this.options.development)
      throw tokenPolicyMissing({ tenant, where: 'to the tenant in baton.config' });
    this.warnOnce();
    return { playerId: playerId(token, 'it'), claims: {} };
  }

  /** Says that tokens are not verified, once per process. */
  warnOnce(): void {
    if (!this.warned) this.options.log.warn(UNVERIFIED);
    this.warned = true;
  }

  /** Ends what is being fetched. */
  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private checkOf(tenant: string, policy: TokenPolicy): Check {
    const known = this.checks.get(policy);
    if (known) return known;
    const made = 'secrets' in policy ? checkBySecrets(policy) : this.checkByKeySet(tenant, policy);
    const check: Check = (token) =>
      made(token).catch((error) => {
        throw this.told(error);
      });
    this.checks.set(policy, check);
    return check;
  }

  private checkByKeySet(tenant: string, policy: TokenPolicy & { jwks: string }): Check {
    const { log, now } = this.options;
    const set = new KeySet({ url: policy.jwks, agent: this.agent, log: log.child({ tenant }), now });
    const options = verifyOptions(policy);
    const keys = async (unknown: boolean) => {
      const found = await set.get(unknown);
      if ('failure' in found) throw tokenKeysUnavailable({ tenant, reason: found.failure });
      return found;
    };
    return async (token) => {
      const first = await keys(false);
      try {
        return checkLifetime(policy, await verifyWithAny(token, first, options));
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        const fresh = await keys(true);
        if (fresh === first) throw error;
        return checkLifetime(policy, await verifyWithAny(token, fresh, options));
      }
    };
  }

  /** What was wrong with a token, in the words of whoever has to make a better one. */
  private told(error: unknown): unknown {
    if (!(error instanceof errors.JOSEError)) return error;
    if (error instanceof errors.JWTExpired)
      return tokenExpired({ at: new Date(Number(error.payload.exp) * 1_000).toISOString() });
    if (error instanceof errors.JWTClaimValidationFailed)
      return tokenInvalid({ reason: claimReason(error.claim, error.reason) });
    const reason = REASONS[error.code];
    if (reason === undefined) this.options.log.warn({ err: error }, 'a token could not be checked');
    return tokenInvalid({ reason: reason ?? 'it could not be checked' });
  }
}

function verifyOptions(policy: TokenPolicy): JWTVerifyOptions {
  const { algorithms, audience, issuer, clockSkew, maxLifetime } = policy;
  return {
    algorithms: [...algorithms],
    ...(audience ? { audience } : {}),
    ...(issuer ? { issuer } : {}),
    clockTolerance: clockSkew / 1_000,
    requiredClaims: ['exp', ...(maxLifetime === undefined ? [] : ['iat'])],
  };
}

function checkBySecrets(policy: TokenPolicy & { secrets: string[] }): Check {
  const options = verifyOptions(policy);
  const keys = policy.secrets.map((secret) => hmacKeys(Buffer.from(secret)));
  return async (token) => {
    for (const [at, key] of keys.entries()) {
      try {
        return checkLifetime(policy, (await jwtVerify(token, key, options)).payload);
      } catch (error) {
        const other = error instanceof errors.JWSSignatureVerificationFailed && at < keys.length - 1;
        if (!other) throw error;
      }
    }
    throw new Error('no secrets');
  };
}

/** Made once: from bytes each verification would make one. */
function hmacKeys(secret: Uint8Array): JWTVerifyGetKey {
  const made = new Map<string, Promise<webcrypto.CryptoKey>>();
  return ({ alg }) => {
    const hash = `SHA-${alg.slice(2)}`;
    const key =
      made.get(hash) ??
      webcrypto.subtle.importKey('raw', secret as BufferSource, { name: 'HMAC', hash }, false, ['verify']);
    made.set(hash, key);
    return key;
  };
}

/** Of a token that does not say which key signed it, any that fits may have. */
async function verifyWithAny(
  token: string,
  keys: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (wrong) {
        if (!(wrong instanceof errors.JWSSignatureVerificationFailed)) throw wrong;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** The longest time a token may be good for; jose knows of its age only. */
function checkLifetime({ maxLifetime, clockSkew }: TokenPolicy, claims: JWTPayload): JWTPayload {
  if (maxLifetime === undefined) return claims;
  const { iat, exp } = claims as { iat: number; exp: number };
  if (iat * 1_000 > Date.now() + clockSkew)
    throw tokenInvalid({ reason: 'its "iat" is in the future; check the clock of whoever made it' });
  if ((exp - iat) * 1_000 > maxLifetime)
    throw tokenInvalid({ reason: `its "exp" is more than ${maxLifetime / 1_000} s after its "iat"` });
  return claims;
}

/** @param what is to hold it, for the error */
function playerId(value: unknown, what: string): string {
  const wrong = (reason: string) => tokenInvalid({ reason: `${what} ${reason}` });
  if (value === undefined) throw wrong('is missing: it has to name the player');
  if (typeof value !== 'string' || value.length === 0) throw wrong('is not the name of a player');
  if (value.length > MAX_PLAYER_ID) throw wrong(`is longer than ${MAX_PLAYER_ID} characters`);
  if (/\p{Surrogate}/u.test(value)) throw wrong('is not well-formed text');
  return value;
}

/** What the token should have said is the tenant's business: it is not told. */
function claimReason(claim: string, reason: string): string {
  if (reason === 'missing') return `it has no "${claim}"`;
  if (claim === 'nbf' && reason === 'check_failed') return 'it is not valid yet ("nbf")';
  if (reason === 'invalid') return `its "${claim}" is malformed`;
  return `its "${claim}" is not one that the tenant takes`;
}

const REASONS: Record<string, string> = {
  ERR_JOSE_ALG_NOT_ALLOWED: 'its "alg" is not one that the tenant takes',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'none of the tenant’s keys made its signature',
  ERR_JWKS_NO_MATCHING_KEY: 'none of the tenant’s keys made its signature',
  ERR_JWS_INVALID: 'it is not a signed JSON Web Token (header.payload.signature)',
  ERR_JWT_INVALID: 'it is not a signed JSON Web Token (header.payload.signature)',
  ERR_JOSE_NOT_SUPPORTED: 'it uses what is not supported ("crit" or "b64")',
};
