// State classes made up from a seed: every type of field, nesting, all collections, view tags, inheritance, in the
// style of decorators and in that of schema(). The same seed makes the same classes in every process.
import {
  ArraySchema,
  CollectionSchema,
  MapSchema,
  Schema,
  SetSchema,
  StreamSchema,
  schema,
  t,
  type,
  view,
} from '@colyseus/schema';
import type { Family } from './families.ts';
import { Random } from './random.ts';

type Any = any;

const PRIMITIVES = [
  'string',
  'number',
  'boolean',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float32',
  'float64',
  'bigint64',
  'biguint64',
] as const;
const COLLECTIONS = {
  map: MapSchema,
  array: ArraySchema,
  set: SetSchema,
  collection: CollectionSchema,
  stream: StreamSchema,
} as const;
const TAGS = [2, 4, 6];

interface Field {
  name: string;
  kind: 'value' | 'quantized' | 'ref' | keyof typeof COLLECTIONS;
  /** Name of a primitive, a class, or the range of a quantized number. */
  of: Any;
  /** -1: the default tag. */
  tag: number | undefined;
  /** schema() only. */
  modifier: 'unreliable' | 'patchOnly' | 'fullStateOnly' | undefined;
}

interface Made {
  klass: Any;
  decorated: boolean;
}

export function generateFamily(seed: number): Family {
  const random = new Random(seed);
  const made: Made[] = [];
  const subclasses = new Map<Function, Function[]>();
  for (let i = 2 + random.int(4); i > 0; i--) {
    const decorated = random.chance(0.5);
    const bases = made.filter((one) => one.decorated === decorated);
    const base = bases.length > 0 && random.chance(0.3) ? random.pick(bases).klass : undefined;
    const prefix = `c${made.length}f`;
    const fields = Array.from({ length: 1 + random.int(7) }, (_, n) => field(`${prefix}${n}`, made, random));
    const klass = (decorated ? decorate : build)(`Seed${seed}Class${made.length}`, fields, base);
    if (base) subclasses.set(base, [...(subclasses.get(base) ?? []), klass]);
    made.push({ klass, decorated });
  }
  const fields = Array.from({ length: 3 + random.int(8) }, (_, n) => field(`f${n}`, made, random));
  // every class is reached, derived ones included
  for (const [n, { klass }] of made.entries())
    fields.push({ name: `r${n}`, kind: 'ref', of: klass, tag: undefined, modifier: undefined });
  const State = (random.chance(0.5) ? decorate : build)(`Seed${seed}State`, fields);
  return {
    name: `classes of seed ${seed}`,
    create: () => new State() as Schema,
    subclasses,
    tags: TAGS,
    views: true,
    decodes: false,
  };
}

function field(name: string, made: readonly Made[], random: Random): Field {
  const klass = () => random.pick(made).klass;
  const some = <T>(share: number, value: T) => (random.chance(share) ? value : undefined);
  const tag = some(0.25, random.chance(0.4) ? -1 : random.pick(TAGS));
  const modifier = some(0.15, random.pick(['unreliable', 'patchOnly', 'fullStateOnly'] as const));
  const kinds = Object.keys(COLLECTIONS) as (keyof typeof COLLECTIONS)[];
  const dice = random.next();
  if (made.length > 0 && dice < 0.15) return { name, kind: 'ref', of: klass(), tag, modifier: undefined };
  if (dice < 0.5) {
    const kind = random.pick(made.length > 0 ? kinds : kinds.slice(0, 4));
    const of =
      made.length > 0 && (kind === 'stream' || random.chance(0.6)) ? klass() : random.pick(PRIMITIVES);
    return { name, kind, of, tag, modifier: undefined };
  }
  if (dice < 0.57) {
    const of = { min: -4, max: 4, bits: random.pick([8, 16]) };
    return { name, kind: 'quantized', of, tag, modifier: undefined };
  }
  return { name, kind: 'value', of: random.pick(PRIMITIVES), tag, modifier };
}

/** As `class … extends Schema` with `@view() @type(…)` on its fields. */
function decorate(name: string, fields: readonly Field[], base: Any = Schema): Any {
  const { [name]: klass } = {
    [name]: class extends base {
      constructor() {
        super();
        for (const { name, kind } of fields) {
          if (kind in COLLECTIONS) (this as Any)[name] = new (COLLECTIONS as Any)[kind]();
        }
      }
    } as Any,
  };
  for (const { name, kind, of, tag } of fields) {
    const definition: Any =
      kind === 'value' || kind === 'ref' ? of : kind === 'array' ? [of] : { [kind]: of };
    type(definition)(klass.prototype, name);
    if (tag !== undefined) (tag === -1 ? view() : view(tag))(klass.prototype, name);
  }
  return klass;
}

/** As `schema({ … })` with builders. */
function build(name: string, fields: readonly Field[], base?: Any): Any {
  const definition: Record<string, Any> = {};
  for (const { name, kind, of, tag, modifier } of fields) {
    const made: Any = kind === 'value' ? (t as Any)[of]() : (t as Any)[kind](of);
    if (tag !== undefined) made.view(tag);
    if (modifier) made[modifier]();
    definition[name] = made;
  }
  return base ? schema(definition, name, base) : schema(definition, name);
}
