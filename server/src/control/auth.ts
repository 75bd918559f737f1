import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { unauthorized } from '../errors.ts';

/** Lets a request through that carries `Authorization: Bearer <token>` (RFC 6750 §2.1). */
export function requireToken(token: string): RequestHandler {
  const expected = digest(token);
  return (request, _response, next) => {
    const given = /^Bearer +([\w.~+/=-]{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
    next(given !== undefined && timingSafeEqual(digest(given), expected) ? undefined : unauthorized());
  };
}

/** Digests have one length, so that the comparison tells nothing of the token's length either. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
