import { z } from 'zod';
import type { Keyspace } from './keyspace.ts';
import type { Listings } from './listings.ts';
import type { Records } from './records.ts';
import type { Registry } from './registry.ts';

/** Everything the server holds. */
export interface State {
  registry: Registry;
  records: Records;
  keyspace: Keyspace;
  listings: Listings;
  /** Topic → its subscribers. */
  topics: Map<string, Set<Caller>>;
}

/** The connection a request came from. */
export interface Caller {
  readonly topics: Set<string>;
  /** Each ends something the connection waits for, when it closes. */
  readonly waits: Set<() => void>;
  push(message: Buffer): void;
}

/** One request a client may make; `run` gets arguments that passed `args`. */
export interface Method {
  args: z.ZodType<unknown[]>;
  run(state: State, args: any, caller: Caller): unknown;
}

export function method<T extends unknown[]>(
  args: z.ZodType<T>,
  run: (state: State, args: T, caller: Caller) => unknown,
): Method {
  return { args: args as z.ZodType<any>, run };
}

/** A key of presence, a topic or a room id as Colyseus makes them. */
export const name = z.string().max(4096);
export const names = z.array(name).max(10_000);
export const text = z.string();
