// What two processes must agree on before a state moves: type ids, fields in order, their types and modifiers.
// `Reflection.encode` lists less (no view tags, no modifiers, no class names), hence an own description.
import { createHash } from 'node:crypto';
import type { Encoder, Schema, TypeContext } from '@colyseus/schema';
import { $numFields } from '../../colyseus/schema-internals.ts';

/** One field: index, name, type, modifiers (view tag, unreliable, …) as text. */
export type FieldDescription = [number, string, string, string];
export interface TypeDescription {
  id: number;
  name: string;
  /** Type id of the parent class, -1 for a direct child of Schema. */
  parent: number;
  fields: FieldDescription[];
}
export interface SchemaDescription {
  root: number;
  types: TypeDescription[];
}

const modifiers = ['unreliable', 'patchOnly', 'fullStateOnly', 'stream', 'deprecated'] as const;
const cache = new WeakMap<TypeContext, Map<Function, string>>();

function typeText(type: unknown, context: TypeContext): string {
  if (typeof type === 'string') return type;
  if (typeof type === 'function') return `#${context.getTypeId(type as typeof Schema) ?? type.name}`;
  if (type === null || typeof type !== 'object') return String(type);
  const [key, child] = Object.entries(type)[0] ?? ['?', '?'];
  return key === 'quantized' ? `quantized(${JSON.stringify(child)})` : `${key}<${typeText(child, context)}>`;
}

function fieldsOf(klass: typeof Schema, context: TypeContext): FieldDescription[] {
  const metadata = klass[Symbol.metadata] as unknown as Record<PropertyKey, any>;
  const fields: FieldDescription[] = [];
  for (let index = 0; index <= ((metadata?.[$numFields] as number | undefined) ?? -1); index++) {
    const field = metadata[index];
    if (field === undefined) continue;
    const text = modifiers.filter((name) => field[name]);
    if (field.tag !== undefined) text.unshift(`view(${field.tag})` as never);
    fields.push([index, field.name, typeText(field.type, context), text.join(' ')]);
  }
  return fields;
}

/** Description of every class that a state with this root class can hold. */
export function describeSchema(context: TypeContext, rootClass: Function): SchemaDescription {
  const types = [...context.schemas].map(([klass, id]) => ({
    id,
    name: klass.name,
    parent: context.getTypeId(Object.getPrototypeOf(klass)) ?? -1,
    fields: fieldsOf(klass, context),
  }));
  types.sort((a, b) => a.id - b.id);
  return { root: context.getTypeId(rootClass as typeof Schema) ?? 0, types };
}

/** The same as JSON, computed once for each class. */
export function schemaText(context: TypeContext, rootClass: Function): string {
  let texts = cache.get(context);
  if (!texts) cache.set(context, (texts = new Map()));
  let text = texts.get(rootClass);
  if (text === undefined) texts.set(rootClass, (text = JSON.stringify(describeSchema(context, rootClass))));
  return text;
}

/** SHA-256 (hex) of the description: equal in two processes exactly when a state can move between them. */
export function reflectionHash(encoder: Encoder): string {
  return createHash('sha256').update(schemaText(encoder.context, encoder.state.constructor)).digest('hex');
}

/** First difference of two descriptions, in words; undefined when they agree. */
export function schemaDifference(mine: SchemaDescription, theirs: SchemaDescription): string | undefined {
  for (const type of theirs.types) {
    const own = mine.types.find((candidate) => candidate.id === type.id);
    if (!own) return `class ${type.name} is unknown`;
    if (own.name !== type.name) {
      const elsewhere = mine.types.some((candidate) => candidate.name === type.name);
      return elsewhere
        ? `classes are in another order: type ${type.id} is ${own.name} instead of ${type.name}`
        : `class ${type.name} is unknown (type ${type.id} is ${own.name})`;
    }
    const difference = fieldDifference(own, type);
    if (difference) return difference;
    if (own.parent !== type.parent) return `class ${type.name} extends another class`;
  }
  const extra = mine.types.find((type) => !theirs.types.some((candidate) => candidate.id === type.id));
  if (extra) return `class ${extra.name} is new`;
  return mine.root === theirs.root ? undefined : 'the state is of another class';
}

function fieldDifference(mine: TypeDescription, theirs: TypeDescription): string | undefined {
  for (let i = 0; i < Math.max(mine.fields.length, theirs.fields.length); i++) {
    const a = mine.fields[i];
    const b = theirs.fields[i];
    if (!a) return `${theirs.name}.${b![1]} (${b![2]}) is missing`;
    if (!b) return `${mine.name}.${a[1]} (${a[2]}) is new`;
    if (a[1] !== b[1]) return `field ${i} of ${mine.name} is ${a[1]} instead of ${b[1]}`;
    if (a[2] !== b[2]) return `${mine.name}.${a[1]} is ${a[2]} instead of ${b[2]}`;
    if (a[3] !== b[3])
      return `${mine.name}.${a[1]} is declared ${a[3] || 'without modifier'} instead of ${b[3] || 'without modifier'}`;
  }
  return undefined;
}
