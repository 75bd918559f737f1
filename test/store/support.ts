import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { HostRecord, Store } from '../../server/src/store/index.ts';

/** A lease that outlasts any test. */
export const LONG = 600_000;

export function host(id: string, more: Partial<HostRecord> = {}): HostRecord {
  return {
    id,
    processId: `process-of-${id}`,
    pid: 1,
    machine: 'm1',
    handoffPath: `/run/${id}.sock`,
    state: 'up',
    generation: 1,
    rooms: 0,
    clients: 0,
    startedAt: 1_700_000_000_000,
    ...more,
  };
}

/** Registers hosts h1 … hN with a long lease. */
export async function hosts(store: Store, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 0; at < count; at++) {
    const id = await store.nextHostId();
    await store.putHost(host(id), LONG);
    ids.push(id);
  }
  return ids;
}

/** Asks again until the answer is true; what depends on the store's own clock or on another process. */
export async function until(what: string, ask: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  for (const start = performance.now(); performance.now() - start < ms; ) {
    if (await ask()) return;
    await delay(10);
  }
  throw new Error(`not within ${ms} ms: ${what}`);
}

/** Resolves when the store says that it is connected, or not. */
export function connection(store: Store, up: boolean): Promise<void> {
  if (store.connected === up) return Promise.resolve();
  return new Promise((resolve) => {
    const off = store.onConnectionChange((now) => {
      if (now !== up) return;
      off();
      resolve();
    });
  });
}

export async function expectCode(promise: Promise<unknown>, code: string): Promise<void> {
  await expect(promise).rejects.toMatchObject({ code });
}

/** Messages of a topic in the order they came, and a way to wait for a number of them. */
export class Inbox {
  readonly messages: unknown[] = [];
  readonly receive = (message: unknown) => {
    this.messages.push(message);
  };

  async have(count: number): Promise<unknown[]> {
    await until(`${count} messages, have ${this.messages.length}`, () => this.messages.length >= count);
    return this.messages;
  }
}
