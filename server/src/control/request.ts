// Reading a request as its operation wants it.
import type { IncomingMessage } from 'node:http';
import express, { type RequestHandler } from 'express';
import { z } from 'zod';
import { invalidRequest, unsupportedMediaType } from '../errors.ts';
import { MAX_NESTING, tooDeep } from '../nesting.ts';
import type { Operation } from './operation.ts';

/** Of a JSON body, unless its operation says otherwise. */
export const BODY_BYTES = 64 * 1024;
const nothing = z.strictObject({});
const none = new Uint8Array();
const bodies = new WeakMap<IncomingMessage, Uint8Array>();

/** The body as it came. */
export const bytesOf = (request: IncomingMessage): Uint8Array => bodies.get(request) ?? none;

/** One content type only: no page of another origin sends it without asking first. No body reads as `{}`. */
export function readBody({ raw, body, bodyLimit = BODY_BYTES }: Operation): RequestHandler {
  const mediaTypes = [...(raw?.mediaTypes ?? ['application/json'])];
  const verify = (request: IncomingMessage, _response: unknown, bytes: Buffer) =>
    void bodies.set(request, bytes);
  const parse = raw
    ? express.raw({ limit: raw.limit, type: () => true, verify })
    : express.json({ limit: bodyLimit, type: () => true, verify });
  return (request, response, next) => {
    const hasBody =
      request.headers['transfer-encoding'] !== undefined ||
      Number(request.headers['content-length'] ?? 0) > 0;
    if (!hasBody) {
      request.body = {};
      return next();
    }
    if (!raw && !body) return next(invalidRequest({ reason: 'This request takes no body.' }));
    if (!request.is(mediaTypes)) return next(unsupportedMediaType({ expected: mediaTypes.join(' or ') }));
    parse(request, response, (error?: unknown) => {
      const deep = error === undefined && !raw && tooDeep(request.body);
      next(
        deep ? invalidRequest({ reason: `The body is nested more than ${MAX_NESTING} levels deep.` }) : error,
      );
    });
  };
}

/** @throws BATON_INVALID_REQUEST with the first thing that is wrong */
export function valid(schema: z.ZodType = nothing, input: unknown, where: string): any {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.join('.');
  throw invalidRequest({
    reason: `${path === '' ? `The request ${where}` : path}: ${issue.message}`,
    field: path,
  });
}
