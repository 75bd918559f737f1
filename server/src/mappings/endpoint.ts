// Where a function runs and how it is called.
import { z } from 'zod';
import { duration } from '../duration.ts';

/** `https://…`, `http://…`, or `function:NAME` for a function that the service runs itself. */
const url = z.union([z.url({ protocol: /^https?$/ }), z.string().regex(/^function:[A-Za-z][\w-]{0,63}$/)], {
  error: 'expected an http or https URL, or function:NAME',
});

const REPLY_BYTES = 64 * 1024;
/** What a mapping may say at most. */
const MOST_REPLY_BYTES = 1024 * 1024;

export const endpointFields = {
  url,
  /** How long the function may take, all attempts together; default 5 s. */
  timeout: duration.pipe(z.number().min(1).max(60_000)).default(5_000),
  /** Attempts after the first one, when it was not reached or answered 5xx or 429. */
  retries: z.number().int().min(0).max(5).default(2),
  /** Also repeats a call that was sent and not answered: the function may have run. */
  retryTimeouts: z.boolean().default(false),
  /** Bytes of its answer. */
  maxReply: z.number().int().min(0).max(MOST_REPLY_BYTES).default(REPLY_BYTES),
};

export const endpoint = z.strictObject(endpointFields);
