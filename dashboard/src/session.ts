// The key with which the page asks. It is kept for this tab alone, and is in no address.
const KEY = 'baton.key';
const TENANT = 'baton.tenant';

/** A link may bring a key along, in the part of the address that is sent to nobody; it is taken off at once. */
export function takeKeyFromAddress(): void {
  const key = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!key) return;
  sessionStorage.setItem(KEY, key);
  sessionStorage.removeItem(TENANT);
  history.replaceState(null, '', `${location.pathname}#/`);
}

export interface Session {
  key: string;
  /** For an operator's token: the tenant that it acts for. */
  tenant?: string | undefined;
}

export function readSession(): Session | undefined {
  const key = sessionStorage.getItem(KEY);
  return key ? { key, tenant: sessionStorage.getItem(TENANT) ?? undefined } : undefined;
}

export function writeSession({ key, tenant }: Session): void {
  sessionStorage.setItem(KEY, key);
  if (tenant === undefined) sessionStorage.removeItem(TENANT);
  else sessionStorage.setItem(TENANT, tenant);
}

export function endSession(): void {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(TENANT);
}

export function headersOf({ key, tenant }: Session): Record<string, string> {
  return { authorization: `Bearer ${key}`, ...(tenant ? { 'baton-tenant': tenant } : {}) };
}
