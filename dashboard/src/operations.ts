// What was asked of the service by a button: under way, done, or failed with its code. It goes on when its dialog is
// closed, and is then shown in the corner.
import { useSyncExternalStore } from 'react';
import { ApiError, ask } from './api.ts';
import { count, ms } from './format.ts';
import type { Model } from './model.ts';
import type { Session } from './session.ts';

export type Action =
  | { kind: 'move'; roomId: string; what: string; from: string; socket: boolean }
  | { kind: 'drain'; host: string }
  | { kind: 'reload' }
  | { kind: 'replay'; number: number; event: string; mapping: string };

export interface Operation {
  id: number;
  title: string;
  state: 'running' | 'done' | 'failed';
  startedAt: number;
  /** What came of it. */
  text?: string;
  code?: string;
  /** How far it is. */
  progress: (model: Model) => string;
}

let operations: Operation[] = [];
let lastId = 0;
const listeners = new Set<() => void>();
const DONE_SHOWN_MS = 8_000;

function set(next: Operation[]): void {
  operations = next;
  for (const listener of listeners) listener();
}

export const useOperations = (): Operation[] =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => operations,
  );

export const dismiss = (id: number): void => set(operations.filter((one) => one.id !== id));

interface Choice {
  to: string;
  keepImmovable: boolean;
}

/** @returns the id under which it is shown */
export function start(session: Session, model: Model, action: Action, choice: Choice): number {
  const id = ++lastId;
  const { title, progress, run } = plan(session, model, action, choice);
  set([...operations, { id, title, progress, state: 'running', startedAt: Date.now() }]);
  const end = (change: Partial<Operation>) =>
    set(operations.map((one) => (one.id === id ? { ...one, ...change } : one)));
  run().then(
    (text) => {
      end({ state: 'done', text });
      setTimeout(() => dismiss(id), DONE_SHOWN_MS);
    },
    (error: unknown) =>
      end({
        state: 'failed',
        text: error instanceof Error ? error.message : String(error),
        code: error instanceof ApiError ? error.code : 'ERROR',
      }),
  );
  return id;
}

interface Plan {
  title: string;
  progress: (model: Model) => string;
  run: () => Promise<string>;
}

interface Migration {
  from: string;
  to: string;
  clients: number;
  blackoutMs: number;
}

interface Outcome {
  rooms: number;
  moved: number;
  refused: { roomId: string; reason: string; code: string }[];
  seconds: number;
}

function plan(session: Session, model: Model, action: Action, { to, keepImmovable }: Choice): Plan {
  if (action.kind === 'move') {
    const path = `/v1/rooms/${encodeURIComponent(action.roomId)}/migrate`;
    return {
      title: `Move ${action.what} to ${to}`,
      progress: () => 'waiting until it rests, then moving',
      run: async () => {
        const moved = await ask<Migration>(session, 'POST', path, { to });
        return `Moved from ${moved.from} to ${moved.to} with ${people(moved.clients)}; still for ${ms(moved.blackoutMs)}.`;
      },
    };
  }
  if (action.kind === 'drain') {
    const { host } = action;
    const holds = (now: Model) => {
      const found = now.hosts?.find(({ id }) => id === host);
      return found ? found.rooms + found.sockets : 0;
    };
    const all = holds(model);
    return {
      title: `Drain ${host}`,
      progress: (now) => `${count(Math.max(0, all - holds(now)))} of ${count(all)} have left`,
      run: async () =>
        outcomeText(await ask<Outcome>(session, 'POST', `/v1/hosts/${encodeURIComponent(host)}/drain`, {})),
    };
  }
  if (action.kind === 'reload') {
    const before = Math.max(0, ...(model.hosts ?? []).map(({ generation }) => generation));
    return {
      title: 'Reload',
      progress: (now) => {
        const fresh = (now.hosts ?? []).filter(({ generation }) => generation > before);
        if (fresh.length === 0) return 'starting new hosts';
        const up = fresh.filter(({ state }) => state === 'up').length;
        const old = (now.hosts ?? []).filter(({ generation }) => generation <= before);
        const left = old.reduce((sum, { rooms, sockets }) => sum + rooms + sockets, 0);
        return `${up} of ${fresh.length} new hosts serve; ${count(left)} still on the old ones`;
      },
      run: async () => {
        const result = await ask<Outcome & { generation: number }>(session, 'POST', '/v1/reload', {
          keepImmovable,
        });
        return `Generation ${result.generation} serves. ${outcomeText(result)}`;
      },
    };
  }
  const { number, event, mapping } = action;
  return {
    title: `Replay dead letter ${number}`,
    progress: () => `calling ${event} of ${mapping}`,
    run: async () => {
      await ask(session, 'POST', `/v1/dead-letters/${number}/replay`);
      return 'Delivered. It is off the list.';
    },
  };
}

const people = (n: number) => (n === 1 ? '1 client' : `${count(n)} clients`);

function outcomeText({ moved, refused, seconds }: Outcome): string {
  const stayed = refused.length === 0 ? '' : ` ${count(refused.length)} stayed: ${reasons(refused)}.`;
  return `Moved ${count(moved)} in ${ms(seconds * 1_000)}.${stayed}`;
}

function reasons(refused: Outcome['refused']): string {
  const codes = new Map<string, number>();
  for (const { code } of refused) codes.set(code, (codes.get(code) ?? 0) + 1);
  return [...codes].map(([code, n]) => `${code} × ${n}`).join(', ');
}
