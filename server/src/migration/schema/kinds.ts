import { ArraySchema, CollectionSchema, MapSchema, Schema, SetSchema, StreamSchema } from '@colyseus/schema';
import type { Ref } from '../../colyseus/schema-internals.ts';
import { $changes } from '../../colyseus/schema-internals.ts';
import { Kind } from './snapshot.ts';

const collections = [
  [MapSchema, Kind.map],
  [ArraySchema, Kind.array],
  [SetSchema, Kind.set],
  [CollectionSchema, Kind.collection],
  [StreamSchema, Kind.stream],
] as const;

const kinds = new Map<Function, Kind | undefined>();

/** Kind of a raw instance; undefined for a class that the move cannot build again (a subclass of a collection). */
export function kindOf(raw: Ref): Kind | undefined {
  const klass = raw.constructor as Function;
  if (kinds.has(klass)) return kinds.get(klass);
  const kind = raw instanceof Schema ? Kind.schema : collections.find(([base]) => klass === base)?.[1];
  kinds.set(klass, kind);
  return kind;
}

/** True for Schema instances and the five collections, whether they are part of a state or not. */
export function isSchemaInstance(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false;
  const tree = (value as Ref)[$changes];
  return tree !== undefined && typeof tree.forEachChild === 'function';
}

/** An empty collection as users create it; an ArraySchema is a Proxy. */
export function emptyCollection(kind: Kind): Ref {
  if (kind === Kind.map) return new MapSchema() as Ref;
  if (kind === Kind.array) return new ArraySchema() as Ref;
  if (kind === Kind.set) return new SetSchema() as Ref;
  if (kind === Kind.collection) return new CollectionSchema() as Ref;
  return new StreamSchema() as Ref;
}

/** Fields whose type is a class or a collection hold references; names and quantized numbers do not. */
export function holdsRefs(type: unknown): boolean {
  return typeof type === 'function' || (typeof type === 'object' && type !== null && !('quantized' in type));
}
