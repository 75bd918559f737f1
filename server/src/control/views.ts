// What the operations on hosts, rooms, sockets and dead letters answer with.
import { z } from 'zod';

const count = z.number().int().min(0);

export const hostSchema = z
  .object({
    id: z.string(),
    processId: z.string().meta({ description: "Colyseus' id of the process" }),
    pid: z.number().int(),
    machine: z.string(),
    state: z.enum(['up', 'standby', 'draining']).meta({
      description:
        '`standby`: started by a reload that has not decided yet; `draining`: takes no rooms any more',
    }),
    generation: z.number().int().meta({
      description: 'Grows with every reload: hosts of one generation run the same code',
    }),
    rooms: count,
    clients: count,
    startedAt: z.number().meta({ description: 'Unix time in ms' }),
    cpu: z.number().optional().meta({
      description: 'CPU time over wall time of the last seconds, 1 = one core',
    }),
    memory: z.number().optional().meta({ description: 'Resident memory in bytes' }),
    moves: count.optional().meta({
      description: 'Rooms that arrived here and left from here since the host started',
    }),
  })
  .meta({ id: 'Host' });

export const roomSchema = z
  .object({
    roomId: z.string(),
    name: z.string(),
    host: z.string(),
    epoch: z.number().int().meta({ description: 'Grows by one with each change of host' }),
    clients: count,
    maxClients: z.number().optional().meta({ description: 'Absent: no limit' }),
    locked: z.boolean().optional(),
    moves: count.optional().meta({ description: 'How often the room has moved' }),
    lastBlackoutMs: z.number().optional().meta({ description: 'How long its last move kept it still' }),
  })
  .meta({ id: 'Room' });

export const migrateSchema = z
  .object({
    roomId: z.string(),
    from: z.string(),
    to: z.string(),
    epoch: z.number().int(),
    clients: count,
    bytes: z.number().meta({ description: 'Size of the state that went over' }),
    blackoutMs: z.number().meta({ description: 'From the freeze to the first activity on the new host' }),
    phases: z.record(z.string(), z.number()).meta({ description: 'Milliseconds by phase of the move' }),
  })
  .meta({ id: 'Migration' });

export const refusalSchema = z
  .object({
    roomId: z.string(),
    reason: z.string(),
    code: z.string().meta({ description: 'Code of the error catalogue' }),
  })
  .meta({ id: 'Refusal', description: 'A room that stayed where it is' });

export const drainSchema = z
  .object({
    host: z.string(),
    rooms: count.meta({ description: 'Rooms that the host had' }),
    clients: count,
    moved: count,
    refused: z.array(refusalSchema),
    seconds: z.number(),
  })
  .meta({ id: 'Drain' });

export const reloadSchema = z
  .object({
    generation: z.number().int().meta({ description: 'Generation of the hosts that run now' }),
    from: z.array(z.string()),
    to: z.array(z.string()),
    rooms: count,
    moved: count,
    refused: z.array(refusalSchema),
    seconds: z.number(),
  })
  .meta({ id: 'Reload' });

const attributes = z.record(z.string(), z.unknown());

export const socketSchema = z
  .object({
    socketId: z.string(),
    tenant: z.string(),
    mapping: z.string(),
    mappingVersion: z.number().int().meta({ description: 'Version of the mapping that it opened with' }),
    playerId: z.string(),
    status: z.enum(['opening', 'open', 'waiting', 'linked']),
    peers: z.array(z.string()),
    room: z.string().optional().meta({ description: 'The room that its client is in, on its connection' }),
    alias: z.string().optional(),
    attributes: attributes.optional().meta({ description: 'Kept on it by its functions' }),
    host: z.string(),
    epoch: z.number().int(),
    openedAt: z.number().meta({ description: 'Unix time in ms' }),
    speech: z.string().meta({
      description: 'How its client speaks: `colyseus`, `baton.resume.v1`, `baton.v1`, `baton.raw.v1`',
    }),
  })
  .meta({ id: 'Socket' });

export const timelineSchema = z
  .object({
    socketId: z.string(),
    tenant: z.string(),
    mapping: z.string(),
    playerId: z.string(),
    openedAt: z.number().meta({ description: 'Unix time in ms' }),
    closed: z.boolean(),
    left: count.meta({ description: 'Events between the first and the last that were not kept' }),
    events: z.array(
      z.object({
        at: z.number().meta({ description: 'Unix time in ms' }),
        event: z.string().meta({
          description:
            '`opened`, `call`, `reply`, `failed`, `receive`, `waiting`, `linked`, `unlinked`, `room`, `moved`, ' +
            '`dropped`, `back`, `closed`',
        }),
        host: z.string().meta({ description: 'Where it was then' }),
        detail: z.string().optional(),
        ms: z.number().optional().meta({
          description: 'How long a call took, a move kept it still, or it took to be linked',
        }),
        code: z.number().int().optional().meta({ description: 'Close code' }),
        times: count.optional().meta({ description: 'So many of them in a row; `ms` is of the last one' }),
      }),
    ),
  })
  .meta({ id: 'SocketTimeline' });

export const ticketSchema = z
  .object({
    socketId: z.string().meta({ description: 'The id that the socket will have' }),
    token: z.string().meta({ description: 'Opens it, once, in place of the token of a player' }),
    expires: z.number().meta({ description: 'Unix time in ms' }),
  })
  .meta({ id: 'SocketTicket' });

export const deadLetterSchema = z
  .object({
    number: z.number().int().meta({ description: 'Counts all dead letters of the tenant' }),
    time: z.string().meta({ description: 'When the last attempt had failed, ISO 8601' }),
    callId: z.string().meta({ description: '`ce-id` and `webhook-id` of the call' }),
    reason: z.string(),
    attempts: count,
    url: z.string().meta({ description: 'Where it was sent' }),
    route: count.optional().meta({ description: "Which entry of the mapping's `receive` it was" }),
    event: z.object({
      type: z.string().meta({ description: '`receive`, `close`, `linked` or `unlinked`' }),
      mapping: z.string(),
      mappingVersion: z.number().optional(),
      socketId: z.string(),
      playerId: z.string(),
      epoch: z.number().optional(),
      sequence: z.number().optional(),
      attributes: attributes.optional(),
      contentType: z.string(),
    }),
    body: z.string().optional().meta({ description: 'Base64; absent when it is too long to be kept' }),
  })
  .meta({ id: 'DeadLetter' });
