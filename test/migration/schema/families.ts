// Class families that between them use everything a state can be made of.
import {
  ArraySchema,
  CollectionSchema,
  deprecated,
  entity,
  MapSchema,
  Schema,
  SetSchema,
  StreamSchema,
  schema,
  t,
  type,
  view,
} from '@colyseus/schema';

export interface Family {
  name: string;
  /** A state as the room's onCreate() makes it. */
  create(): Schema;
  /** Classes that may stand in for a field's class. */
  subclasses?: Map<Function, Function[]>;
  /** Tags worth trying with `view.add`. */
  tags?: number[];
  views: boolean;
  /** A client's decoder is compared with the server (upstream decodes the family's every operation faithfully). */
  decodes: boolean;
  /** Collections grow up to this size; 10 if not given. */
  crowd?: number;
}

// --- decorators, nesting, inheritance, every collection kind
class Vec extends Schema {
  @type('float32') declare x: number;
  @type('float64') declare y: number;
}

class Item extends Schema {
  @type('string') declare name: string;
  @type('uint8') declare level: number;
  declare notes: unknown;
}

@entity
class Weapon extends Item {
  @type('int16') declare damage: number;
  @type(Vec) declare aim: Vec;
  constructor() {
    super();
    this.aim = new Vec();
    this.notes = { made: 'here' };
  }
}

class Player extends Schema {
  @type('string') declare name: string;
  @type('boolean') declare alive: boolean;
  @type('bigint64') declare gold: bigint;
  @type({ quantized: { min: -1, max: 1, bits: 16 } }) declare angle: number;
  @type(Vec) declare pos: Vec;
  @type(Item) declare held: Item;
  @type([Item]) declare bag: ArraySchema<Item>;
  @type({ map: 'number' }) declare scores: MapSchema<number>;
  #secret = 7;
  readSecret = () => this.#secret;
  constructor() {
    super();
    this.pos = new Vec();
    this.bag = new ArraySchema<Item>();
    this.scores = new MapSchema<number>();
  }
}

class PlainState extends Schema {
  @type('number') declare tick: number;
  @type(Player) declare host: Player;
  @type({ map: Player }) declare players: MapSchema<Player>;
  @type([Item]) declare items: ArraySchema<Item>;
  @type(['string']) declare words: ArraySchema<string>;
  @type(['number']) declare numbers: ArraySchema<number>;
  @type({ map: Item }) declare shop: MapSchema<Item>;
  @type({ set: 'number' }) declare picks: SetSchema<number>;
  @type({ set: Item }) declare owned: SetSchema<Item>;
  @type({ collection: 'string' }) declare log: CollectionSchema<string>;
  @type({ collection: Vec }) declare marks: CollectionSchema<Vec>;
  constructor() {
    super();
    this.players = new MapSchema<Player>();
    this.items = new ArraySchema<Item>();
    this.words = new ArraySchema<string>('a', 'b');
    this.numbers = new ArraySchema<number>();
    this.shop = new MapSchema<Item>();
    this.picks = new SetSchema<number>();
    this.owned = new SetSchema<Item>();
    this.log = new CollectionSchema<string>();
    this.marks = new CollectionSchema<Vec>();
    for (const id of ['ann', 'bob']) {
      const player = new Player();
      player.name = id;
      this.players.set(id, player);
    }
    this.items.push(new Item(), new Weapon());
  }
}

// --- schema() API with every modifier
const Stats = schema(
  { hp: t.uint8().default(100), mp: t.int32().unreliable(), speed: t.float32().unreliable().patchOnly() },
  'Stats',
);
const Unit = schema(
  {
    kind: t.string().default('orc'),
    yaw: t.quantized({ min: 0, max: 6.2832, bits: 8, mode: 'wrap' }),
    stats: t.ref(Stats),
    maybe: t.ref(Stats).optional(),
    path: t.array('number'),
    temp: t.number().patchOnly(),
    seed: t.number().fullStateOnly(),
    old: t.string().deprecated(false),
    hurt() {
      this.stats.hp--;
    },
  },
  'Unit',
);
const Boss = schema({ phase: t.uint8(), minions: t.map(Unit) }, 'Boss', Unit as never);
const ModernState = schema(
  {
    round: t.uint16().default(1),
    units: t.map(Unit),
    order: t.array(Unit),
    tags: t.set('string'),
    boss: t.ref(Boss).optional(),
    fixed: t.ref(Stats).fullStateOnly(),
  },
  'ModernState',
);

// --- views: default tag, custom tags, filtered collections, filtered nesting
class Card extends Schema {
  @type('string') declare suit: string;
  @view() @type('uint8') declare value: number;
  @view(2) @type('string') declare hint: string;
  @view(4) @type(Vec) declare spot: Vec;
}

class Hand extends Schema {
  @type('string') declare owner: string;
  @view() @type([Card]) declare cards: ArraySchema<Card>;
  @view(2) @type({ map: Card }) declare pinned: MapSchema<Card>;
  @type(Vec) declare seat: Vec;
  constructor() {
    super();
    this.cards = new ArraySchema<Card>();
    this.pinned = new MapSchema<Card>();
  }
}

class ViewState extends Schema {
  @type('number') declare tick: number;
  @type({ map: Hand }) declare hands: MapSchema<Hand>;
  @view() @type({ map: Card }) declare table: MapSchema<Card>;
  @view() @type({ set: Card }) declare burnt: SetSchema<Card>;
  @view(4) @type([Card]) declare deck: ArraySchema<Card>;
  @view() @type(Hand) declare dealer: Hand;
  @view() @type({ collection: Card }) declare pile: CollectionSchema<Card>;
  @type([Card]) declare open: ArraySchema<Card>;
  constructor() {
    super();
    this.hands = new MapSchema<Hand>();
    this.table = new MapSchema<Card>();
    this.burnt = new SetSchema<Card>();
    this.deck = new ArraySchema<Card>();
    this.pile = new CollectionSchema<Card>();
    this.open = new ArraySchema<Card>();
    this.dealer = new Hand();
  }
}

// --- streams
class Rock extends Schema {
  @type('number') declare size: number;
  @type(Vec) declare at: Vec;
}

const StreamState = schema(
  {
    tick: t.number(),
    rocks: t.stream(Rock).priority((_view: unknown, rock: any) => rock.size ?? 0),
    near: t.map(Rock).stream(),
    heap: t.set(Rock).stream(),
    hidden: t.array(Rock).view(),
  },
  'StreamState',
);

// --- odd shapes: many fields, no fields, constructor with arguments, manual fields
class Empty extends Schema {}
class Picky extends Schema {
  @type('string') declare id: string;
  @type(Vec) declare pos: Vec;
  constructor(options: { id: string }) {
    super();
    this.id = options.id.toUpperCase();
    this.pos = new Vec();
  }
}
class Wide extends Schema {
  @type(Empty) declare empty: Empty;
}
for (let i = 0; i < 40; i++) type(i % 3 === 0 ? 'string' : 'number')(Wide.prototype, `f${i}`);

class OddState extends Schema {
  @type('string', { manual: true }) declare manual: string;
  @type(Wide) declare wide: Wide;
  @type({ map: Wide }) declare wides: MapSchema<Wide>;
  @type([Picky]) declare picky: ArraySchema<Picky>;
  @type(Empty) declare empty: Empty;
  @deprecated(false) @type('string') declare gone: string;
  constructor() {
    super();
    this.wide = new Wide();
    this.wides = new MapSchema<Wide>();
    this.picky = new ArraySchema<Picky>();
    this.empty = new Empty();
    this.picky.push(new Picky({ id: 'first' }));
  }
}

// --- collections large enough that only their changes travel
class Crowd extends Schema {
  @type({ map: Rock }) declare rocks: MapSchema<Rock>;
  @type([Rock]) declare line: ArraySchema<Rock>;
  @type({ map: 'string' }) declare names: MapSchema<string>;
  @type(['number']) declare heights: ArraySchema<number>;
  @type({ set: 'string' }) declare words: SetSchema<string>;
  @view() @type({ collection: Rock }) declare heap: CollectionSchema<Rock>;
  @type({ stream: Rock }) declare dust: StreamSchema<Rock>;
  constructor() {
    super();
    this.rocks = new MapSchema<Rock>();
    this.line = new ArraySchema<Rock>();
    this.names = new MapSchema<string>();
    this.heights = new ArraySchema<number>();
    this.words = new SetSchema<string>();
    this.heap = new CollectionSchema<Rock>();
    this.dust = new StreamSchema<Rock>();
    for (let i = 0; i < 40; i++) {
      this.rocks.set(`r${i}`, new Rock().assign({ size: i }));
      this.line.push(new Rock().assign({ size: -i }));
      this.names.set(`n${i}`, `name ${i}`);
      this.heights.push(i / 2);
      this.words.add(`w${i}`);
      this.heap.add(new Rock());
      this.dust.add(new Rock());
    }
  }
}

export {
  Boss,
  Card,
  Empty,
  Hand,
  Item,
  ModernState,
  OddState,
  Picky,
  PlainState,
  Player,
  Rock,
  StreamSchema,
  StreamState,
  Unit,
  Vec,
  ViewState,
  Weapon,
  Wide,
};

export const families: Family[] = [
  {
    name: 'decorators',
    create: () => new PlainState(),
    subclasses: new Map([[Item, [Weapon]]]),
    views: false,
    decodes: true,
  },
  {
    name: 'schema()',
    create: () => new ModernState() as Schema,
    subclasses: new Map([[Unit, [Boss]]]),
    views: false,
    decodes: true,
  },
  { name: 'views', create: () => new ViewState(), tags: [2, 4, 6], views: true, decodes: false },
  { name: 'streams', create: () => new StreamState() as Schema, views: true, decodes: false },
  { name: 'crowds', create: () => new Crowd(), views: true, decodes: false, crowd: 60 },
  { name: 'odd shapes', create: () => new OddState(), views: false, decodes: true },
];
