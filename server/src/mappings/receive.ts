// What a mapping's `receive` says: which messages are given to which endpoint, and when.
import { z } from 'zod';
import { duration } from '../duration.ts';
import { endpointFields } from './endpoint.ts';

/** Bytes of one delimiter or prefix. */
const MAX_PATTERN_BYTES = 64;
/** Bytes that wait to become a call, unless the mapping says otherwise, and what it may say at most. */
const BUFFER_BYTES = 64 * 1024;
const MAX_BUFFER_BYTES = 1024 * 1024;
/** Entries of a `receive` list, and items of one `when`. */
const MAX_ENTRIES = 16;

const hex = z
  .string()
  .regex(/^([0-9a-fA-F]{2})+$/, 'expected pairs of hexadecimal digits, such as "0d0a"')
  .max(2 * MAX_PATTERN_BYTES);
const delimiter = z
  .string()
  .min(1)
  .refine((text) => Buffer.byteLength(text) <= MAX_PATTERN_BYTES, `more than ${MAX_PATTERN_BYTES} bytes`);
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
/** `$.type`, `$.user.role`. */
const path = z.string().regex(/^\$(\.[A-Za-z_][\w-]*){1,8}$/, 'expected a path such as "$.type"');

const criterion = z
  .strictObject({
    /** So many bytes wait. */
    bytes: z.number().int().min(1).optional(),
    /** This text was seen, also across messages; the call carries up to and with it. */
    delimiter: delimiter.optional(),
    /** The same, in hexadecimal digits. */
    delimiterHex: hex.optional(),
    /** So many messages wait. */
    messages: z.number().int().min(1).optional(),
    /** So much time has passed since the first byte that waits. */
    every: duration.pipe(z.number().min(1).max(60_000)).optional(),
    /** Picks messages that are JSON in which all of these have these values. */
    match: z
      .record(path, scalar)
      .refine((all) => Object.keys(all).length > 0, 'is empty')
      .optional(),
    /** Picks messages that begin with these bytes. */
    prefixHex: hex.optional(),
  })
  .refine(
    (item) => Object.keys(item).length === 1,
    'expected exactly one criterion in each item of the list',
  );

const entry = z
  .strictObject({
    ...endpointFields,
    /** How long the function may take, all attempts together; default 10 s. */
    timeout: duration.pipe(z.number().min(1).max(60_000)).default(10_000),
    /** A call is due when any of them holds; with none, for every message. `match` and `prefixHex` pick messages. */
    when: z.array(criterion).max(MAX_ENTRIES).default([]),
    /** Bytes that may wait to become a call. */
    maxBuffer: z.number().int().min(1).max(MAX_BUFFER_BYTES).default(BUFFER_BYTES),
    /** What happens past it: the socket is closed, or what waits is sent. */
    overflow: z.enum(['close', 'flush']).default('close'),
    /** What happens to what waits when the socket closes. */
    onClose: z.enum(['flush', 'drop']).default('flush'),
    /** Content type of the calls; by default that of the data. */
    contentType: z
      .string()
      .regex(/^[\w.+-]+\/[\w.+-]+(; ?[\w-]+=[\w."-]+)*$/, 'expected a media type')
      .max(127)
      .optional(),
  })
  .refine(
    ({ when, maxBuffer }) => when.every(({ bytes = 0 }) => bytes <= maxBuffer),
    'when asks for more bytes than maxBuffer allows to wait',
  );

/** One entry, or several: a message goes to the first one that picks it. */
export const receive = z.preprocess(
  (value) => (Array.isArray(value) || value === undefined ? value : [value]),
  z.array(entry).min(1).max(MAX_ENTRIES),
);

/** Where picked messages go, and when they are due. */
export type ReceiveEntry = z.infer<typeof entry>;
