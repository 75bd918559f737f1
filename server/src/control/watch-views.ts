// What `GET /v1/events` says. Each event is one JSON object; a part that the key may not see, or that has not changed, is
// not in it.
import { z } from 'zod';
import { SCOPES } from '../tenants/index.ts';
import { deadLetterSchema, hostSchema, roomSchema, socketSchema } from './views.ts';

const count = z.number().int().min(0);
const at = z.number().meta({ description: 'Unix time in ms' });

const watchedHostSchema = hostSchema
  .extend({
    sockets: count,
    lagMs: z
      .number()
      .meta({ description: 'How late its event loop was in the last second, 99th percentile' }),
    lagMaxMs: z.number().meta({ description: '… and at worst' }),
    silent: z
      .boolean()
      .meta({ description: 'It has said nothing for some seconds: this is how it was then' }),
  })
  .meta({ id: 'WatchedHost' });

const watchedSocketSchema = socketSchema
  .omit({ tenant: true, attributes: true })
  .extend({
    link: z.string().optional().meta({ description: 'Id of the link it is in' }),
    since: at.meta({ description: 'Since when it waits, or is linked; Unix time in ms' }),
    absent: z.literal(true).optional().meta({ description: 'Its client has lost its connection' }),
  })
  .meta({ id: 'WatchedSocket' });

const moveSchema = z
  .object({
    at,
    roomId: z.string(),
    from: z.string(),
    to: z.string(),
    code: z.string().optional().meta({ description: 'Why it did not move: code of the error catalogue' }),
    clients: count.optional(),
    bytes: z.number().optional(),
    blackoutMs: z.number().optional(),
    phases: z.record(z.string(), z.number()).optional(),
  })
  .meta({ id: 'WatchedMove' });

const callsSchema = z
  .object({
    mapping: z.string(),
    event: z.string().meta({ description: '`open`, `receive`, `close`, `linked` or `unlinked`' }),
    total: count.meta({ description: 'Since the hosts started that run now' }),
    failed: count,
    recent: count.meta({ description: 'In the last minute' }),
    recentFailed: count,
    p50: z.number().optional().meta({ description: 'Milliseconds in the last minute, within 10 %' }),
    p99: z.number().optional(),
  })
  .meta({ id: 'WatchedCalls' });

const queueSchema = z
  .object({
    mapping: z.string(),
    sockets: count,
    opening: count,
    unlinked: count.meta({ description: 'Open, and nobody has said yet with whom they go' }),
    waiting: count.meta({ description: 'Open, and waiting for those who were named' }),
    linked: count,
    oldest: at.optional().meta({
      description:
        'Since when the one has no peers that has had none for longest, of those `unlinked` or `waiting`',
    }),
    recent: count.meta({ description: 'Linked for the first time in the last minute' }),
    p50: z.number().optional().meta({ description: 'Milliseconds from open to linked, of these' }),
    p99: z.number().optional(),
  })
  .meta({ id: 'WatchedQueue' });

const watchedMappingSchema = z
  .object({
    name: z.string(),
    version: z.number().int(),
    declared: z.boolean(),
    updatedAt: z.string(),
    mapping: z.unknown(),
  })
  .meta({ id: 'WatchedMapping' });

const letterSchema = deadLetterSchema.omit({ body: true }).meta({ id: 'WatchedDeadLetter' });

/** Some of a list: those that are new or different, and ids of those that are gone. */
const some = <T extends z.ZodType>(schema: T) =>
  z.object({ changed: z.array(schema), gone: z.array(z.string()) });

/** Parts that come whole each time. */
const whole = {
  at,
  hosts: z.array(watchedHostSchema).optional(),
  blackouts: z
    .object({
      bounds: z.array(z.number()).meta({ description: 'Upper bounds in seconds; one more count is beyond' }),
      counts: z.array(count),
    })
    .optional(),
  socketCount: count.optional().meta({ description: 'All of them, also where `sockets` has the first only' }),
  queues: z.array(queueSchema).optional(),
  calls: z.array(callsSchema).optional(),
  mappings: z.array(watchedMappingSchema).optional(),
  deadLetters: z.array(letterSchema).optional().meta({ description: 'The newest ones, without bodies' }),
};

export const snapshotSchema = z
  .object({
    ...whole,
    you: z.object({
      tenant: z.string(),
      operator: z.boolean(),
      key: z.string(),
      scopes: z.array(z.enum(SCOPES)),
    }),
    tenants: z.array(z.string()).optional(),
    rooms: z.array(roomSchema).optional(),
    moves: z.array(moveSchema).optional().meta({ description: 'The last ones, the newest first' }),
    sockets: z.array(watchedSocketSchema).optional(),
  })
  .meta({ id: 'WatchSnapshot', description: '`event: snapshot`: all that the key may see' });

export const changeSchema = z
  .object({
    ...whole,
    rooms: some(roomSchema).optional(),
    moves: z.array(moveSchema).optional().meta({ description: 'Those since, the newest first' }),
    sockets: some(watchedSocketSchema).optional(),
  })
  .meta({ id: 'WatchChange', description: '`event: change`: what is different since the event before' });

export type WatchedHost = z.infer<typeof watchedHostSchema>;
export type WatchedRoom = z.infer<typeof roomSchema>;
export type WatchedSocket = z.infer<typeof watchedSocketSchema>;
export type WatchedMove = z.infer<typeof moveSchema>;
export type WatchedCalls = z.infer<typeof callsSchema>;
export type WatchedQueue = z.infer<typeof queueSchema>;
export type WatchedMapping = z.infer<typeof watchedMappingSchema>;
export type WatchedLetter = z.infer<typeof letterSchema>;
export type WatchSnapshot = z.infer<typeof snapshotSchema>;
export type WatchChange = z.infer<typeof changeSchema>;
