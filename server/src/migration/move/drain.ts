// Emptying a host: its rooms move away in batches, several batches at a time; what is busy is tried again until the
// deadline, what can never move is refused at once.
import { setTimeout as wait } from 'node:timers/promises';
import type { BatonError } from '../../errors.ts';
import { noTarget } from '../../errors.ts';
import type { HostRecord } from '../../store/index.ts';
import { Placement } from './placement.ts';
import type { MoveOutcome } from './result.ts';

/** Rooms that share one commit: small enough that a batch's blackout stays that of a room or two. */
const BATCH_ROOMS = 12;
const BATCHES_AT_ONCE = 4;
/** First wait for a busy room; the later ones take what is left of the deadline. */
const FIRST_QUIESCE_MS = 1_000;
const RETRY_PAUSE_MS = 50;
/** While nothing moves the pauses grow to this. */
const LONGEST_RETRY_PAUSE_MS = 1_000;
/** A room that was frozen and came back with the same failure so often will not do better. */
const MAX_SAME_FAILURES = 3;

/** Why a room stayed: text and code of the error. */
export interface Refusal {
  roomId: string;
  reason: string;
  code: string;
}

export interface DrainResult {
  host: string;
  /** Rooms and clients the host had. */
  rooms: number;
  clients: number;
  moved: number;
  refused: Refusal[];
  seconds: number;
}

export interface Drainable {
  readonly host: HostRecord;
  hosts(): Promise<HostRecord[]>;
  /** Rooms here; those of one group must move together. */
  groups(): string[][];
  clientsOf(roomId: string): number;
  move(roomIds: string[], target: HostRecord, quiesceMs: number): Promise<MoveOutcome[]>;
}

/** Codes after which trying again cannot help. */
export const isFinal = (error: BatonError): boolean => FINAL.has(error.code);
const FINAL = new Set([
  'BATON_ROOM_IMMOVABLE',
  'BATON_ROOM_CLASS_MISSING',
  'BATON_SCHEMA_MISMATCH',
  'BATON_HANDLERS_MISMATCH',
]);

export const refusal = (roomId: string, { message, code }: BatonError): Refusal => ({
  roomId,
  reason: message,
  code,
});

/** @throws BATON_NO_TARGET when rooms are left and no other host can take any */
export async function drain(source: Drainable, deadlineMs: number): Promise<DrainResult> {
  const started = Date.now();
  const deadline = started + deadlineMs;
  const refused = new Map<string, BatonError>();
  const seen = new Map<string, number>();
  const failedBefore = new Map<string, { message: string; times: number }>();
  let moved = 0;
  let round = 0;
  let pause = RETRY_PAUSE_MS;

  for (;;) {
    const groups = source.groups().filter((group) => !group.some((roomId) => refused.has(roomId)));
    for (const roomId of groups.flat()) seen.set(roomId, seen.get(roomId) ?? source.clientsOf(roomId));
    if (groups.length === 0) break;
    const placement = new Placement(await source.hosts(), source.host);
    const batches = packed(groups, placement);
    if (batches.length === 0) throw noTarget({ host: source.host.id });
    const left = deadline - Date.now();
    const quiesceMs = round === 0 ? Math.min(FIRST_QUIESCE_MS, left) : Math.min(left, 5_000);
    const failures = new Map<string, BatonError>();
    const movedBefore = moved;
    await eachOf(batches, BATCHES_AT_ONCE, async ({ roomIds, target }) => {
      for (const outcome of await source.move(roomIds, target, Math.max(0, quiesceMs))) {
        if ('result' in outcome) moved++;
        else failures.set(outcome.roomId, outcome.error);
      }
    });
    const late = Date.now() >= deadline;
    for (const [roomId, error] of failures) {
      const before = failedBefore.get(roomId);
      const times = before?.message === error.message ? before.times + 1 : 1;
      failedBefore.set(roomId, { message: error.message, times });
      const hopeless = error.code === 'BATON_MOVE_FAILED' && times >= MAX_SAME_FAILURES;
      if (late || hopeless || isFinal(error)) refused.set(roomId, error);
    }
    if (failures.size > 0) {
      await wait(Math.min(pause, Math.max(RETRY_PAUSE_MS, deadline - Date.now())));
      pause = moved > movedBefore ? RETRY_PAUSE_MS : Math.min(2 * pause, LONGEST_RETRY_PAUSE_MS);
    }
    round++;
  }
  const left = new Set(source.groups().flat());
  return {
    host: source.host.id,
    rooms: seen.size,
    clients: [...seen.values()].reduce((sum, n) => sum + n, 0),
    moved,
    // some of them ended by themselves
    refused: [...refused]
      .filter(([roomId]) => left.has(roomId))
      .map(([roomId, error]) => refusal(roomId, error)),
    seconds: (Date.now() - started) / 1000,
  };
}

function packed(groups: string[][], placement: Placement): { roomIds: string[]; target: HostRecord }[] {
  const batches: { roomIds: string[]; target: HostRecord }[] = [];
  let roomIds: string[] = [];
  const flush = () => {
    if (roomIds.length === 0) return;
    const target = placement.next(roomIds.length);
    if (target) batches.push({ roomIds, target });
    roomIds = [];
  };
  for (const group of groups) {
    if (roomIds.length > 0 && roomIds.length + group.length > BATCH_ROOMS) flush();
    roomIds.push(...group);
  }
  flush();
  return batches;
}

/** Runs `work` over all items, at most `limit` at a time. */
async function eachOf<T>(items: T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
}
