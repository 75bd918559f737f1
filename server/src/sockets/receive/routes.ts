// Which entry of a mapping's `receive` takes a message, and the criteria it waits under there.
import type { ReceiveEntry } from '../../mappings/index.ts';
import type { Criteria } from './criteria.ts';

export interface Route {
  entry: ReceiveEntry;
  /** Undefined: every message is a call by itself. */
  criteria: Criteria | undefined;
  picks(message: Message): boolean;
}

type Scalar = string | number | boolean | null;

const compiled = new WeakMap<readonly ReceiveEntry[], Route[]>();

/** Routes of a mapping's `receive`, in its order; made once for each mapping. */
export function routesOf(entries: readonly ReceiveEntry[]): Route[] {
  let routes = compiled.get(entries);
  if (!routes) compiled.set(entries, (routes = entries.map(compile)));
  return routes;
}

/** @returns index of the first route that picks the message, or -1 */
export function pick(routes: readonly Route[], data: Uint8Array): number {
  if (routes.length === 1 && routes[0]!.picks === anything) return 0;
  const message = new Message(data);
  return routes.findIndex((route) => route.picks(message));
}

const anything = () => true;

function compile(entry: ReceiveEntry): Route {
  const picks: Route['picks'][] = [];
  const criteria: Criteria = { delimiters: [], maxBuffer: entry.maxBuffer };
  const delimiters: Uint8Array[] = [];
  for (const { bytes, messages, every, delimiter, delimiterHex, match, prefixHex } of entry.when) {
    if (bytes !== undefined) criteria.bytes = Math.min(bytes, criteria.bytes ?? bytes);
    if (messages !== undefined) criteria.messages = Math.min(messages, criteria.messages ?? messages);
    if (every !== undefined) criteria.everyMs = Math.min(every, criteria.everyMs ?? every);
    if (delimiter !== undefined) delimiters.push(plain(Buffer.from(delimiter)));
    if (delimiterHex !== undefined) delimiters.push(plain(Buffer.from(delimiterHex, 'hex')));
    if (prefixHex !== undefined) picks.push(beginsWith(Buffer.from(prefixHex, 'hex')));
    if (match !== undefined) picks.push(matches(match));
  }
  criteria.delimiters = delimiters;
  const { bytes, messages, everyMs } = criteria;
  const waits =
    delimiters.length > 0 || bytes !== undefined || messages !== undefined || everyMs !== undefined;
  return {
    entry,
    criteria: waits ? criteria : undefined,
    picks: picks.length === 0 ? anything : (message) => picks.some((one) => one(message)),
  };
}

/** Travels with the socket: not a slice of a pool. */
const plain = (buffer: Buffer): Uint8Array => Uint8Array.from(buffer);

const beginsWith =
  (prefix: Buffer): Route['picks'] =>
  ({ data }) =>
    data.length >= prefix.length && prefix.equals(data.subarray(0, prefix.length));

/** All of `{ "$.a.b": value }` hold. Own properties only; numbers are equal as numbers. */
function matches(all: Record<string, Scalar>): Route['picks'] {
  const wanted = Object.entries(all).map(([path, value]) => ({ keys: path.slice(2).split('.'), value }));
  return (message) => wanted.every(({ keys, value }) => at(message.json, keys) === value);
}

function at(value: unknown, keys: readonly string[]): unknown {
  let here = value;
  for (const key of keys) {
    if (here === null || typeof here !== 'object' || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}

/** A message, as JSON only if a route asks for that. */
class Message {
  readonly data: Uint8Array;
  private parsed: { value: unknown } | undefined;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  /** Undefined when it is no JSON. */
  get json(): unknown {
    this.parsed ??= { value: parse(this.data) };
    return this.parsed.value;
  }
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString());
  } catch {
    return undefined;
  }
}
