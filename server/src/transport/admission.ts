// Whether an upgrade may pass: its handshake, its origin, and what the app says. Asked by the process at which the
// request arrived; others take its word (`UpgradeRecord.validated`).

import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { type AuthContext, createAuthContext, runBeforeUpgrade } from '@colyseus/core';
import {
  checkHandshake,
  fetchResponse,
  type Handshake,
  type HeaderRecord,
  headersOf,
  type Refusal,
  refusalResponse,
} from './handshake.ts';
import { originAllowed, type Settings, type VerifyClient } from './options.ts';
import type { UpgradeRecord } from './record.ts';
import { type Target, targetOf } from './target.ts';
import type { Upgrade } from './upgrade.ts';

/** What of an upgrade request is needed to answer it. */
export interface Request {
  url: Target;
  headers: HeaderRecord;
  handshake: Handshake;
}

export function requestOf(record: UpgradeRecord): Request | Refusal {
  const headers = headersOf(record.rawHeaders);
  const handshake = checkHandshake(record, headers);
  if ('status' in handshake) return handshake;
  const url = targetOf(record.url);
  return url ? { url, headers, handshake } : { status: 400, reason: 'The request target is not a path.' };
}

/**
 * Marks the upgrade as validated, or answers it.
 * @param arrived the request as Node's HTTP server has it
 * @returns nothing when that has happened; a promise when the app has to be asked, of undefined when it said no
 */
export function admit(
  upgrade: Upgrade,
  request: Request,
  settings: Settings,
  arrived: IncomingMessage | undefined,
): Promise<AuthContext | undefined> | undefined {
  if (!originAllowed(settings.allowedOrigins, request.headers.origin)) {
    upgrade.reject(403, 'This origin may not connect.');
    return undefined;
  }
  if (settings.verifyClient || settings.beforeUpgrade) return askApp(upgrade, request, settings, arrived);
  upgrade.record.validated = true;
  return undefined;
}

async function askApp(
  upgrade: Upgrade,
  request: Request,
  { verifyClient, beforeUpgrade }: Settings,
  arrived: IncomingMessage | undefined,
): Promise<AuthContext | undefined> {
  if (verifyClient) {
    const refusal = arrived ? await verify(verifyClient, arrived) : { status: 401, reason: 'Unauthorized' };
    if (refusal) return void upgrade.answer(refusalResponse(refusal));
  }
  const context = authContextOf(upgrade.record, request);
  const response = beforeUpgrade && (await runBeforeUpgrade(beforeUpgrade, upgrade.url, context));
  if (response) return void upgrade.answer(await fetchResponse(response));
  if (!upgrade.pending) return undefined;
  upgrade.record.validated = true;
  return context;
}

/** As `ws` does: 401 unless the app says otherwise. @returns undefined when the client may pass */
function verify(verifyClient: VerifyClient, req: IncomingMessage): Promise<Refusal | undefined> {
  const info = { origin: req.headers.origin, secure: false, req };
  return new Promise((resolve) => {
    const verdict = (allow: boolean, status = 401, reason = STATUS_CODES[status] ?? '', headers = {}): void =>
      resolve(allow ? undefined : { status, reason, headers });
    if (verifyClient.length === 2) verifyClient(info, verdict);
    else verdict((verifyClient as (about: typeof info) => boolean)(info));
  });
}

export function authContextOf(record: UpgradeRecord, { headers, url }: Request): AuthContext {
  return createAuthContext({
    headers,
    token: url.searchParams.get('_authToken'),
    remoteAddress: record.remoteAddress,
  });
}
