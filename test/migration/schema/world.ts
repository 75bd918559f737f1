// A state with its encoder, views and clients, as a room has them; and the move of one to a new process.
import v8 from 'node:v8';
import type { Schema } from '@colyseus/schema';
import { Encoder, StateView } from '@colyseus/schema';
import type { StateSnapshot } from '../../../server/src/migration/schema/index.ts';
import {
  isSchemaInstance,
  PreCopySource,
  PreCopyTarget,
  StateCapture,
  StateRestore,
} from '../../../server/src/migration/schema/index.ts';
import type { Family } from './families.ts';
import { instances, mutate } from './mutate.ts';
import { Random } from './random.ts';

type Any = any;

export interface World {
  family: Family;
  tame?: boolean;
  touched?: Set<unknown>;
  state: Schema;
  encoder: Encoder;
  pool: Any[];
  views: StateView[];
}

export function createWorld(family: Family): World {
  const state = family.create();
  return { family, state, encoder: new Encoder(state), pool: [], views: [] };
}

/** What `v8.deserialize` makes of the snapshot on the other side of a socket. */
export const travel = <T>(value: T): T => v8.deserialize(v8.serialize(value));

/** Takes the world down and builds it again over a state fresh from "onCreate". */
export function move(world: World): World {
  const capture: StateCapture = new StateCapture(world.encoder, {
    pickle: (value) => pickle(value, capture),
  });
  const pool = world.pool.map((ref) => capture.idOf(ref));
  const views = world.views.map((view) => capture.viewId(view));
  const snapshot = travel(capture.finish(world.state));
  if (capture.problems.length > 0) throw new Error(`problems: ${JSON.stringify(capture.problems)}`);
  return arrive(world.family, snapshot, pool, views);
}

function arrive(family: Family, snapshot: StateSnapshot, pool: number[], views: number[]): World {
  const existing = family.create();
  new Encoder(existing);
  const restore = new StateRestore(snapshot, existing.constructor, existing);
  const encoder = new Encoder(restore.root as Schema);
  restore.settle(encoder);
  return settled(family, restore, encoder, pool, views);
}

function settled(
  family: Family,
  restore: StateRestore,
  encoder: Encoder,
  pool: number[],
  views: number[],
): World {
  putExtras(restore);
  if (restore.problems.length > 0) throw new Error(`problems: ${JSON.stringify(restore.problems)}`);
  return {
    family,
    encoder,
    state: restore.root as Schema,
    pool: pool.map((id) => restore.byId(id)),
    views: views.map((id) => restore.views.get(id)!),
  };
}

/** All that a capture sees of the world, for comparing two. */
export function portrait(world: World): StateSnapshot {
  const capture: StateCapture = new StateCapture(world.encoder, {
    pickle: (value) => pickle(value, capture),
  });
  for (const ref of world.pool) capture.idOf(ref);
  for (const view of world.views) capture.viewId(view);
  return travel(capture.finish(world.state));
}

/** A move whose copying overlaps with the life of the world. */
export class SlowMove {
  readonly #world: World;
  readonly #source: PreCopySource;
  readonly #target: PreCopyTarget;
  #encoder: Encoder | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#source = new PreCopySource(world.encoder);
    const existing = world.family.create();
    new Encoder(existing);
    this.#target = new PreCopyTarget(existing.constructor, existing);
  }

  /** One slice goes over; true at the end of a pass. */
  step(build: boolean, large: boolean): boolean {
    const slice = this.#source.slice(large ? 50 : 0);
    if (slice) this.#target.add(travel(slice));
    if (build) this.#target.work(0);
    return slice === undefined;
  }

  attach(): void {
    if (this.#encoder) return;
    this.#target.attach((root) => {
      this.#encoder = new Encoder(root as Schema);
      return this.#encoder;
    });
  }

  finish(): World {
    const { family, state, pool, views } = this.#world;
    const capture: StateCapture = this.#source.freeze({ pickle: (value) => pickle(value, capture) });
    const poolIds = pool.map((ref) => capture.idOf(ref));
    const viewIds = views.map((view) => capture.viewId(view));
    const snapshot = travel(capture.finish(state));
    const restore = this.#target.finish(snapshot);
    const encoder = this.#encoder ?? new Encoder(restore.root as Schema);
    restore.settle(encoder);
    return settled(family, restore, encoder, poolIds, viewIds);
  }
}

/** A small stand-in for the pickler of room fields: functions stay behind, instances go by id. */
export function pickle(value: unknown, capture: Pick<StateCapture, 'idOf'>): unknown {
  if (typeof value === 'function') return { kept: true };
  return isSchemaInstance(value) ? { id: capture.idOf(value as object) } : { value };
}

export function putExtras(restore: Pick<StateRestore, 'extras' | 'byId'>): void {
  for (const [ref, entries] of restore.extras()) {
    for (const [name, value] of entries) {
      const pickled = value as { kept?: true; id?: number; value?: unknown };
      if (pickled === null || typeof pickled !== 'object') (ref as Any)[name] = pickled;
      else if (!pickled.kept)
        (ref as Any)[name] = pickled.id === undefined ? pickled.value : restore.byId(pickled.id);
    }
  }
}

/** One change to the state or to who sees what. Errors of the package are part of the outcome. */
export function act(world: World, seed: number): string {
  const random = new Random(seed);
  try {
    if (world.family.views && random.chance(0.35)) look(world, random);
    else mutate(world, random);
    return 'ok';
  } catch (error) {
    return String(error);
  }
}

function look(world: World, random: Random): void {
  const { views } = world;
  if (views.length === 0 || (views.length < 4 && random.chance(0.1))) {
    views.push(new StateView(random.chance(0.3)));
    return;
  }
  const at = random.int(views.length);
  const view = views[at]!;
  const all = instances(world.state);
  const ref = random.chance(0.1) && world.pool.length > 0 ? random.pick(world.pool) : random.pick(all);
  const tag = world.family.tags && random.chance(0.4) ? random.pick(world.family.tags) : undefined;
  const choice = random.next();
  if (choice < 0.55) view.add(ref, tag);
  else if (choice < 0.8) view.remove(ref, tag);
  else if (choice < 0.86 && typeof ref.push !== 'undefined') view.subscribe(ref);
  else if (choice < 0.9 && ref.size !== undefined) view.subscribe(ref);
  else if (choice < 0.93) view.unsubscribe(ref);
  else if (choice < 0.95 && view.iterable) view.clear();
  else if (choice < 0.97) {
    view.dispose();
    views.splice(at, 1);
  } else (view as Any).label = `v${random.int(5)}`;
}

const copy = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

/** Everything that the next patch would send: shared part, then one buffer a view. */
export function flush(world: World): Buffer[] {
  const { encoder, views } = world;
  const it = { offset: 0 };
  try {
    const out = [copy(encoder.encode(it))];
    const shared = it.offset;
    for (const view of views) out.push(copy(encoder.encodeView(view, shared, it)));
    return out;
  } finally {
    encoder.discardChanges();
  }
}

export function flushUnreliable(world: World): Buffer[] {
  const { encoder, views } = world;
  const it = { offset: 0 };
  const out = [copy(encoder.encodeUnreliable(it))];
  const shared = it.offset;
  for (const view of views) out.push(copy(encoder.encodeUnreliableView(view, shared, it)));
  encoder.discardUnreliableChanges();
  return out;
}

/** What clients that join now get: without a view, then with each. */
export function full(world: World): Buffer[] {
  const { encoder, views } = world;
  const it = { offset: 0 };
  const out = [copy(encoder.encodeAll(it))];
  for (const view of views) out.push(copy(encoder.encodeAllView(view, it.offset, { ...it })));
  return out;
}
