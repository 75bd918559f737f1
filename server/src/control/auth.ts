import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { invalidRequest, keyForbidden, unauthorized } from '../errors.ts';
import { DEFAULT_TENANT, isOperatorScope, SCOPES, type Scope, tenantId } from '../tenants/index.ts';
import type { RequestLimits } from './limits.ts';
import type { KeyRing, Principal } from './types.ts';

const SERVICE: Omit<Principal, 'tenant'> = { operator: true, scopes: new Set(SCOPES), key: 'service' };
const METRICS: Omit<Principal, 'tenant'> = {
  operator: true,
  scopes: new Set(['hosts:read']),
  key: 'metrics',
};

/** What the operator gives to whoever is to look after the service. */
export interface OperatorTokens {
  /** May do everything. */
  service: string;
  /** May look at hosts, rooms and metrics, and change nothing. */
  metrics?: string;
}

/**
 * Who asks, by `Authorization: Bearer …` (RFC 6750 §2.1): an operator's token, or an API key. An operator's token
 * acts for the tenant that `Baton-Tenant` names.
 */
export class Authentication {
  private readonly tokens: [digest: Buffer, holder: Omit<Principal, 'tenant'>][];
  private readonly limits: RequestLimits;
  private readonly keys: KeyRing | undefined;

  constructor(tokens: OperatorTokens, limits: RequestLimits, keys?: KeyRing) {
    this.tokens = [[digest(tokens.service), SERVICE]];
    if (tokens.metrics !== undefined) this.tokens.push([digest(tokens.metrics), METRICS]);
    this.limits = limits;
    this.keys = keys;
  }

  /**
   * @param address where the request came from
   * @throws BATON_UNAUTHORIZED, BATON_RATE_LIMITED after too many wrong keys from there, BATON_KEY_FORBIDDEN for a key
   *   with the name of another tenant beside it
   */
  async principalOf(headers: IncomingHttpHeaders, address: string): Promise<Principal> {
    const given = bearerIn(headers);
    if (given === undefined) throw unauthorized();
    const tenant = tenantIn(headers);
    const operator = this.operator(given);
    if (operator) return { tenant: tenant ?? DEFAULT_TENANT, ...operator };
    await this.limits.assertMayTry(address);
    const principal = await this.keys?.authenticate(given);
    if (!principal) {
      await this.limits.wrongKey(address);
      throw unauthorized();
    }
    if (tenant !== undefined && tenant !== principal.tenant)
      throw keyForbidden({ reason: `it is not of tenant ${tenant}` });
    return principal;
  }

  /**
   * Whether what was good once still is: a key may be revoked, or expire. No guess, so that where it came from does not
   * matter.
   * @throws BATON_UNAUTHORIZED, BATON_STORE_UNAVAILABLE
   */
  async assertStillGood(headers: IncomingHttpHeaders): Promise<void> {
    const given = bearerIn(headers) ?? '';
    if (!this.operator(given) && !(await this.keys?.authenticate(given))) throw unauthorized();
  }

  private operator(given: string): Omit<Principal, 'tenant'> | undefined {
    return this.tokens.find(([expected]) => timingSafeEqual(digest(given), expected))?.[1];
  }
}

/** @throws BATON_KEY_FORBIDDEN */
export function assertScope(principal: Principal, scope: Scope): void {
  if (isOperatorScope(scope) && !principal.operator)
    throw keyForbidden({ scope, reason: `${scope} is the operator's` });
  if (!principal.scopes.has(scope)) throw keyForbidden({ scope, reason: `it has not the scope ${scope}` });
}

function bearerIn({ authorization = '' }: IncomingHttpHeaders): string | undefined {
  return /^Bearer +([\w.~+/=-]{1,512})$/i.exec(authorization)?.[1];
}

function tenantIn(headers: IncomingHttpHeaders): string | undefined {
  const tenant = headers['baton-tenant'];
  if (tenant === undefined) return undefined;
  if (tenantId.safeParse(tenant).success) return tenant as string;
  throw invalidRequest({ reason: 'Baton-Tenant: not the id of a tenant', field: 'Baton-Tenant' });
}

/** Digests have one length, so that the comparison tells nothing of the token's length either. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
