import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { functionConflict, secretNotFound, secretsFull, secretsUnavailable } from '../errors.ts';
import type { Store } from '../store/index.ts';

/** Secrets of one tenant. */
const MAX_SECRETS = 64;
/** UTF-8 bytes of a secret. */
export const MAX_SECRET_BYTES = 4 * 1024;
const TRIES_AT_CHANGE = 8;
const KEY_LENGTH = 32;
/** NIST SP 800-38D, section 8.2.2: a random one, for far fewer than 2^32 secrets under one key. */
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

export const secretName = z
  .string()
  .regex(/^[A-Za-z][\w-]{0,63}$/, 'expected a letter, then letters, digits, _ or -, 64 at most');

const recordSchema = z.record(z.string(), z.object({ sealed: z.string(), updatedAt: z.number() }));

export interface SecretView {
  name: string;
  /** Milliseconds since 1970. */
  updatedAt: number;
}

/**
 * Reads the key that secrets are sealed with.
 * @param text base64 of 32 bytes
 * @throws BATON_SECRETS_UNAVAILABLE without repeating the text
 */
export function secretsKey(text: string | undefined): Buffer {
  if (!text) throw secretsUnavailable({ reason: 'the service was started without BATON_SECRETS_KEY' });
  const key = Buffer.from(text, 'base64');
  if (key.length !== KEY_LENGTH)
    throw secretsUnavailable({ reason: `BATON_SECRETS_KEY is not the base64 of ${KEY_LENGTH} bytes` });
  return key;
}

/**
 * Secrets of tenants, sealed with AES-256-GCM before they go into the store; tenant and name are part of what is sealed,
 * so that a record copied elsewhere does not open. Who has both the store and the key has the secrets.
 */
export class Secrets {
  readonly #store: Store;
  readonly #key: () => Buffer;

  /** @param key called for each use; throws when there is none */
  constructor(store: Store, key: () => Buffer) {
    this.#store = store;
    this.#key = key;
  }

  /** @throws BATON_SECRETS_UNAVAILABLE, BATON_SECRETS_FULL, BATON_FUNCTION_CONFLICT */
  async set(tenant: string, name: string, value: string): Promise<SecretView> {
    const entry = { sealed: this.#seal(tenant, name, value), updatedAt: Date.now() };
    await this.#change(tenant, name, (record) => {
      if (!Object.hasOwn(record, name) && Object.keys(record).length >= MAX_SECRETS)
        throw secretsFull({ limit: MAX_SECRETS });
      record[name] = entry;
    });
    return { name, updatedAt: entry.updatedAt };
  }

  async list(tenant: string): Promise<SecretView[]> {
    const { record } = await this.#read(tenant);
    return Object.entries(record)
      .map(([name, { updatedAt }]) => ({ name, updatedAt }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws BATON_SECRET_NOT_FOUND, BATON_FUNCTION_CONFLICT */
  async remove(tenant: string, name: string): Promise<void> {
    await this.#change(tenant, name, (record) => {
      if (!Object.hasOwn(record, name)) throw secretNotFound({ secret: name });
      delete record[name];
    });
  }

  /**
   * @param env name in the environment → name of the secret
   * @returns name in the environment → value
   * @throws BATON_SECRET_NOT_FOUND, BATON_SECRETS_UNAVAILABLE
   */
  async environment(tenant: string, env: Record<string, string>): Promise<Record<string, string>> {
    const wanted = Object.entries(env);
    if (wanted.length === 0) return {};
    const { record } = await this.#read(tenant);
    return Object.fromEntries(
      wanted.map(([key, name]) => {
        if (!Object.hasOwn(record, name)) throw secretNotFound({ secret: name });
        return [key, this.#open(tenant, name, record[name]!.sealed)];
      }),
    );
  }

  #seal(tenant: string, name: string, value: string): string {
    const nonce = randomBytes(NONCE_LENGTH);
    const cipher = createCipheriv('aes-256-gcm', this.#key(), nonce).setAAD(belongsTo(tenant, name));
    const sealed = [cipher.update(value, 'utf8'), cipher.final()];
    return Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]).toString('base64');
  }

  #open(tenant: string, name: string, text: string): string {
    const sealed = Buffer.from(text, 'base64');
    const key = this.#key();
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_LENGTH))
        .setAAD(belongsTo(tenant, name))
        .setAuthTag(sealed.subarray(-TAG_LENGTH));
      const plain = decipher.update(sealed.subarray(NONCE_LENGTH, -TAG_LENGTH));
      return Buffer.concat([plain, decipher.final()]).toString('utf8');
    } catch (error) {
      throw secretsUnavailable(
        { reason: `secret ${name} was stored under another BATON_SECRETS_KEY` },
        error,
      );
    }
  }

  async #change(tenant: string, name: string, change: (record: SecretsRecord) => void): Promise<void> {
    for (let attempt = 0; attempt < TRIES_AT_CHANGE; attempt++) {
      const { record, version } = await this.#read(tenant);
      change(record);
      if (await this.#store.set(secretsKeyOf(tenant), JSON.stringify(record), version)) return;
    }
    throw functionConflict({ function: name });
  }

  async #read(tenant: string): Promise<{ record: SecretsRecord; version: number }> {
    const found = await this.#store.get(secretsKeyOf(tenant));
    if (found === undefined) return { record: {}, version: 0 };
    return { record: recordSchema.parse(JSON.parse(found.value)), version: found.version };
  }
}

type SecretsRecord = z.infer<typeof recordSchema>;

const secretsKeyOf = (tenant: string) => `function-secrets:${tenant}`;
const belongsTo = (tenant: string, name: string) => Buffer.from(JSON.stringify([tenant, name]));
