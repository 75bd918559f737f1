import { type SchemaType, schema, t } from '@colyseus/schema';

export const Player = schema(
  {
    name: t.string(),
    color: t.uint8(),
    bot: t.boolean().default(false),
    /** False while the player's seat is held for a reconnection. */
    online: t.boolean().default(true),
    alive: t.boolean().default(true),
    x: t.float32(),
    y: t.float32(),
    angle: t.float32().default(0),
    hp: t.uint8().default(100),
    rapid: t.boolean().default(false),
    shield: t.boolean().default(false),
    kills: t.uint16().default(0),
    deaths: t.uint16().default(0),
  },
  'Player',
);
export type Player = SchemaType<typeof Player>;

/** A bullet flies straight, so where and when it started says everything; nothing of it changes later. */
export const Bullet = schema(
  {
    id: t.uint32(),
    owner: t.string(),
    x: t.float32(),
    y: t.float32(),
    vx: t.float32(),
    vy: t.float32(),
    born: t.uint32(),
  },
  'Bullet',
);
export type Bullet = SchemaType<typeof Bullet>;

export const Pickup = schema(
  { kind: t.uint8(), x: t.float32(), y: t.float32(), active: t.boolean().default(true) },
  'Pickup',
);
export type Pickup = SchemaType<typeof Pickup>;

export const ArenaState = schema(
  {
    /** Simulated time in ms; what the page interpolates on. */
    time: t.uint32().default(0),
    players: t.map(Player),
    bullets: t.array(Bullet),
    pickups: t.array(Pickup),
    /** Kills by session id; bots included. */
    scores: t.map('uint16'),
    leader: t.string().default(''),
  },
  'ArenaState',
);
export type ArenaState = SchemaType<typeof ArenaState>;
