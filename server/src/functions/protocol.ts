// How hosts ask the runner: one HTTP POST each on its Unix socket, JSON both ways.
import path from 'node:path';
import { z } from 'zod';
import { functionName } from './records.ts';
import { MAX_SECRET_BYTES, secretName } from './secrets.ts';

/** Where runner and hosts of a service meet. */
export const runnerSocket = (runtimeDir: string): string => path.join(runtimeDir, 'functions.sock');
/** Sockets of the functions. Both are in a directory that only the service's user enters. */
export const isolatesDir = (runtimeDir: string): string => path.join(runtimeDir, 'fn');

/** Environment variables and origins of one function. */
const MAX_ENV = 32;
const MAX_ORIGINS = 16;
/** UTF-8 bytes of a bundle. A record of the store holds it whole. */
export const MAX_BUNDLE_BYTES = 1024 * 1024;
/** Longest time that a question for logs waits for new ones. */
export const MAX_LOG_WAIT_MS = 30_000;
/** Lines of one answer. */
export const MAX_LOG_LINES = 1_000;

const tenant = z.string().min(1).max(128);

/** Names that code uses for its environment. */
export const environment = z
  .record(z.string().regex(/^[A-Za-z_]\w{0,63}$/, 'expected letters, digits and _'), secretName)
  .refine((env) => Object.keys(env).length <= MAX_ENV, `at most ${MAX_ENV} names`);

/** `https://api.example.com`: scheme, host and port, nothing after them. */
const origin = z
  .url({ protocol: /^https?$/ })
  .refine((url) => {
    const { href, protocol, host } = new URL(url);
    return href === `${protocol}//${host}/`;
  }, 'expected scheme, host and port only')
  .transform((url) => new URL(url).origin);
export const origins = z.array(origin).max(MAX_ORIGINS);

const one = z.strictObject({ tenant, name: functionName });

export const questions = {
  socket: one,
  deploy: one.extend({ code: z.string(), env: environment, allowNet: origins }),
  rollback: one.extend({ version: z.number().int().min(1).optional() }),
  list: z.strictObject({ tenant }),
  show: one,
  remove: one,
  logs: one.extend({
    after: z.number().int().min(0),
    limit: z.number().int().min(1).max(MAX_LOG_LINES),
    waitMs: z.number().int().min(0),
  }),
  setSecret: z.strictObject({
    tenant,
    name: secretName,
    value: z
      .string()
      .min(1)
      .refine((value) => Buffer.byteLength(value) <= MAX_SECRET_BYTES, `at most ${MAX_SECRET_BYTES} bytes`),
  }),
  secrets: z.strictObject({ tenant }),
  removeSecret: z.strictObject({ tenant, name: secretName }),
} as const;
export type Question = keyof typeof questions;
export type Asked<Q extends Question> = z.output<(typeof questions)[Q]>;
