// One object per HTTP operation: its route, its checks, its scope and its place in the OpenAPI document all come from it.
import { z } from 'zod';
import type { Scope } from '../tenants/index.ts';
import type { EventSink } from './event-stream.ts';
import type { Principal } from './types.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** A body that is taken as it comes. */
export interface RawBody {
  /** Media types it may have. */
  mediaTypes: readonly string[];
  /** Bytes. */
  limit: number;
}

/** What an operation is run with: everything checked. */
export interface OperationContext<Params, Query, Body> {
  principal: Principal;
  params: Params;
  query: Query;
  body: Body;
  /** Of operations with a raw body; empty when there was none. */
  rawBody: Uint8Array;
  /** Media type of the body, without its parameters. */
  mediaType: string;
  /** Id of this request, as the log, the audit log and the answer's `X-Request-Id` have it. */
  requestId: string;
}

/** A stream of server-sent events. */
export interface EventsOf<Params, Query> {
  /** Of the data of an event, besides the answer's. */
  schema: z.ZodType;
  /** Method syntax: see `run`. @throws before there is a stream */
  open(
    context: Pick<OperationContext<Params, Query, unknown>, 'principal' | 'params' | 'query'>,
    out: () => EventSink,
  ): Promise<void>;
}

export interface Operation<
  Params extends z.ZodType = z.ZodType<any>,
  Query extends z.ZodType = z.ZodType<any>,
  Body extends z.ZodType = z.ZodType<any>,
  Answer extends z.ZodType = z.ZodType<any>,
> {
  /** Name of the operation in the OpenAPI document and in programs made from it: `migrateRoom`. */
  id: string;
  method: Method;
  /** `/v1/rooms/{id}/migrate` */
  path: `/${string}`;
  /** One line. */
  summary: string;
  /** More than one line. Markdown. */
  description?: string;
  /** Heading under which the document lists it. */
  tag: string;
  /** What a key needs for it; `any` that is good, `open` to all, also without a key. */
  scope: Scope | 'any' | 'open';
  params?: Params;
  query?: Query;
  /** JSON. A request without a body has `{}`. */
  body?: Body;
  /** Bytes of a JSON body; default 64 KiB. */
  bodyLimit?: number;
  /** Instead of `body`. */
  raw?: RawBody;
  /** Absent: 204. */
  answer?: Answer;
  /** Of an answer that is text as it is; default `application/json`, made of the answer. */
  mediaType?: string;
  /** Instead of the answer for whoever accepts `text/event-stream`. */
  events?: EventsOf<z.output<Params>, z.output<Query>>;
  /** The answer holds a secret: nothing keeps it, not even to give it again for an `Idempotency-Key`. */
  secret?: boolean;
  /** Default 200; 204 without `answer`. */
  status?: number;
  /** Codes of the catalogue beyond those that every operation has. */
  errors: readonly string[];
  /** Method syntax: an operation of particular types is one of any. */
  run(context: OperationContext<z.output<Params>, z.output<Query>, z.output<Body>>): Promise<z.input<Answer>>;
}

/** Gives `run` the types of the schemas beside it. */
export function operation<
  Params extends z.ZodType = z.ZodType<Record<string, never>>,
  Query extends z.ZodType = z.ZodType<Record<string, never>>,
  Body extends z.ZodType = z.ZodType<Record<string, never>>,
  Answer extends z.ZodType = z.ZodType<void, void>,
>(definition: Operation<Params, Query, Body, Answer>): Operation {
  return definition;
}

/** An id in a path. */
export const idIn = (maxLength: number, description: string) =>
  z.strictObject({ id: z.string().min(1).max(maxLength).meta({ description }) });
