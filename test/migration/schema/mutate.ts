// Random changes to a state of any class, guided by its metadata. The same seed does the same to equal states.
import {
  $changes,
  $childType,
  ArraySchema,
  CollectionSchema,
  MapSchema,
  Schema,
  SetSchema,
  StreamSchema,
} from '@colyseus/schema';
import type { Family } from './families.ts';
import { Picky } from './families.ts';
import type { Random } from './random.ts';

type Any = any;

/** All instances that the state reaches, in a fixed order. */
export function instances(state: Schema): Any[] {
  const out: Any[] = [];
  const seen = new Set<unknown>();
  const visit = (ref: Any) => {
    if (ref === null || typeof ref !== 'object' || ref[$changes] === undefined || seen.has(ref)) return;
    seen.add(ref);
    out.push(ref);
    if (ref instanceof Schema) {
      const metadata = (ref.constructor as Any)[Symbol.metadata] ?? {};
      for (const index of Object.keys(metadata)) visit((ref as Any)[metadata[index].name]);
    } else for (const child of ref.values()) visit(child);
  };
  visit(state);
  return out;
}

function primitive(type: string, random: Random, tame = false): unknown {
  switch (type) {
    case 'string':
      if (tame) return `s${random.int(1e6)}`;
      return random.pick(['', 'a', 'bb', 'crème', '🂡', 'long '.repeat(9)]) + random.int(9);
    case 'boolean':
      return random.chance(0.5);
    case 'bigint64':
      return BigInt(random.int(1e9)) * 4294967296n - 5n;
    case 'biguint64':
      return BigInt(random.int(1e9)) * 4294967296n + 5n;
    case 'int64':
      return (random.int(2 ** 31) - 2 ** 30) * 65536;
    case 'uint64':
      return random.int(2 ** 31) * 65536;
    case 'int8':
      return random.int(256) - 128;
    case 'uint32':
      return random.int(2 ** 31) * 2;
    case 'uint8':
      return random.int(256);
    case 'uint16':
      return random.int(65536);
    case 'int16':
      return random.int(65536) - 32768;
    case 'int32':
      return random.int(2 ** 31) - 2 ** 30;
    case 'float32':
      return Math.fround(random.next() * 100);
    default:
      if (tame) return random.pick([Math.fround(random.next()), 1 + random.int(1e6), -1 - random.int(1e6)]);
      return random.pick([0, -0, 1.5, random.int(1e6), -random.int(1e6), random.next()]);
  }
}

/** A value for a field or a collection's entry: new, or (one time in six) an instance that is elsewhere already. */
function value(type: Any, world: Mutable, random: Random): unknown {
  if (typeof type === 'string') return primitive(type, random, world.tame);
  if (typeof type === 'function') return instance(type, world, random);
  if (type.quantized) return random.next() * 8 - 4;
  const [kind, child] = Object.entries(type).find(([key]) => key !== 'default')! as [string, Any];
  const made: Any =
    kind === 'map'
      ? new MapSchema()
      : kind === 'array'
        ? new ArraySchema()
        : kind === 'set'
          ? new SetSchema()
          : kind === 'stream'
            ? new StreamSchema()
            : new CollectionSchema();
  for (let n = random.int(3); n > 0; n--) {
    const entry = value(child, world, random);
    if (kind === 'map') made.set(`n${n}`, entry);
    else if (kind === 'array') made.push(entry);
    else made.add(entry);
  }
  return made;
}

function instance(klass: Any, world: Mutable, random: Random): unknown {
  const { family, pool } = world;
  if (!world.tame && random.chance(1 / 6)) {
    const shared = instances(world.state).filter((ref) => ref.constructor === klass && ref !== world.state);
    if (shared.length > 0 && klass !== world.state.constructor) return random.pick(shared);
  }
  if (random.chance(1 / 4)) {
    const at = pool.findIndex((ref) => ref.constructor === klass);
    if (at >= 0) return pool.splice(at, 1)[0];
  }
  const actual = random.chance(0.3) ? random.pick([klass, ...(family.subclasses?.get(klass) ?? [])]) : klass;
  const made = actual === Picky ? new Picky({ id: `p${random.int(9)}` }) : new actual();
  for (let n = random.int(3); n > 0; n--) setField(made, world, random, true);
  return made;
}

export interface Mutable {
  family: Family;
  /** Only what upstream's decoder follows without a mistake: no sharing, nothing untracked, no equal values, … */
  tame?: boolean;
  /** … and no second change to an array before the next patch. */
  touched?: Set<unknown>;
  state: Schema;
  /** Instances that are in no place of the state: taken out, or not put in yet. */
  pool: Any[];
}

function setField(ref: Any, world: Mutable, random: Random, fresh = false): void {
  const metadata = ref.constructor[Symbol.metadata] ?? {};
  const indexes = Object.keys(metadata);
  if (indexes.length === 0) return;
  const field = metadata[random.pick(indexes)];
  const before = ref[field.name];
  if (typeof field.type !== 'string' && !field.type.quantized && fresh) return;
  const isCollection = before && !(before instanceof Schema) && before[$changes];
  if (isCollection && !random.chance(0.03)) {
    changeCollection(before, world, random);
    return;
  }
  const optional = typeof field.type === 'function' || field.name === 'name' || field.name === 'hint';
  if (optional && before !== undefined && random.chance(0.15)) {
    ref[field.name] = random.chance(0.5) ? undefined : null;
    if (before instanceof Schema) keep(before, world, random);
    return;
  }
  ref[field.name] = value(field.type, world, random);
}

/** Some of what leaves the state stays in the hands of the app. */
function keep(ref: Any, world: Mutable, random: Random): void {
  if (
    world.tame ||
    ref?.[$changes] === undefined ||
    !random.chance(0.4) ||
    instances(world.state).includes(ref)
  )
    return;
  if (world.pool.length < 8 && !world.pool.includes(ref)) world.pool.push(ref);
}

function changeCollection(ref: Any, world: Mutable, random: Random): void {
  const child = ref[$childType];
  if (child === undefined) return;
  const make = () => value(child, world, random);
  if (ref instanceof MapSchema) changeMap(ref, make, world, random);
  else if (ref instanceof ArraySchema) changeArray(ref, make, world, random);
  else if (ref instanceof StreamSchema) {
    if (ref.size > 0 && random.chance(ref.size > (world.family.crowd ?? 10) ? 0.7 : 0.3))
      ref.remove(random.pick([...ref.values()]));
    else if (random.chance(0.03)) ref.clear();
    else ref.add(make());
  } else {
    const set = ref as Any;
    const full = set.size > (world.family.crowd ?? 10);
    if (set.size > 0 && (full || random.chance(0.35))) {
      const entry: Any = random.pick([...set.values()]);
      set.delete(entry);
      keep(entry, world, random);
    } else if (random.chance(0.03)) set.clear();
    else set.add(make());
  }
}

function changeMap(map: MapSchema<Any>, make: () => Any, world: Mutable, random: Random): void {
  const keys = [...map.keys()];
  if (keys.length > 0 && (keys.length > (world.family.crowd ?? 10) || random.chance(0.35))) {
    const key = random.pick(keys);
    const entry = map.get(key);
    map.delete(key);
    keep(entry, world, random);
    if (random.chance(0.2)) map.set(key, make());
  } else if (random.chance(0.04)) map.clear();
  else map.set(random.chance(0.2) && keys.length > 0 ? random.pick(keys) : `k${random.int(40)}`, make());
}

function changeArray(array: Any, make: () => Any, world: Mutable, random: Random): void {
  if (world.touched?.has(array)) return;
  world.touched?.add(array);
  const size = array.length;
  const kind = size > (world.family.crowd ?? 10) ? 3 + random.int(3) : random.int(size === 0 ? 3 : 11);
  if (kind <= 1) array.push(make());
  else if (kind === 2) array.unshift(make());
  else if (kind === 3) keep(array.pop(), world, random);
  else if (kind === 4) keep(array.shift(), world, random);
  else if (kind === 5) cut(array, world, random);
  else if (kind === 6) array.splice(random.int(size), random.int(2), make());
  else if (kind === 7) array[random.int(size)] = make();
  else if (kind === 8 && random.chance(0.3)) array.clear();
  else if (kind === 9 && world.family.name !== 'decorators') array.reverse();
  else array.push(make());
}

function cut(array: Any, world: Mutable, random: Random): void {
  const at = random.int(array.length);
  for (const gone of array.splice(at, Math.min(1 + random.int(2), array.length - at)))
    keep(gone, world, random);
}

/** One random change somewhere in the state, its pool or its non-synced properties. */
export function mutate(world: Mutable, random: Random): void {
  const all = instances(world.state);
  if (world.tame) {
    change(random.pick(all), world, random);
    return;
  }
  const ref = random.pick(
    random.chance(0.4) ? all.filter((one) => !(one instanceof Schema)).concat(all[0]) : all,
  );
  const choice = random.next();
  if (choice < 0.06 && ref instanceof Schema) {
    (ref as Any)[`extra${random.int(3)}`] = random.pick<unknown>([
      1,
      'two',
      { three: [3] },
      undefined,
      [random.int(5)],
    ]);
  } else if (choice < 0.09) {
    (ref as Any).untracked(() => change(ref, world, random));
  } else if (choice < 0.1) (ref as Any).pauseTracking();
  else if (choice < 0.14) (ref as Any).resumeTracking();
  else if (choice < 0.18 && world.pool.length > 0) {
    const pooled = random.pick(world.pool);
    if (pooled instanceof Schema) setField(pooled, world, random);
  } else change(ref, world, random);
}

function change(ref: Any, world: Mutable, random: Random): void {
  if (ref instanceof Schema) setField(ref, world, random);
  else changeCollection(ref, world, random);
}
