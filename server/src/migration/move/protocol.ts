// What two hosts say to each other during a move. Every record is checked where it arrives.
import { z } from 'zod';

/** Bumped whenever a record changes its shape: hosts of different versions refuse each other before any freeze. */
export const PROTOCOL_VERSION = 1;

export const METHODS = {
  prepare: 'migrate.prepare',
  precopy: 'migrate.precopy',
  abort: 'migrate.abort',
  commit: 'migrate.commit',
  outcome: 'migrate.outcome',
  published: 'migrate.published',
  call: 'migrate.call',
  letters: 'migrate.letters',
} as const;

const roomId = z.string().min(1).max(128);
const transferId = z.string().min(8).max(64);
const hostId = z.string().min(1).max(64);

const errorSchema = z.object({
  code: z.string(),
  status: z.number(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).default({}),
});

export const prepareSchema = z.object({
  v: z.literal(PROTOCOL_VERSION),
  transferId,
  from: hostId,
  /** Of the sender's code. */
  generation: z.number().int(),
  rooms: z
    .array(
      z.object({
        roomId,
        roomName: z.string().min(1).max(256),
        options: z.unknown(),
        /** Hash of the state's reflection, or undefined without a Schema state. */
        reflection: z.string().optional(),
        /** Message types with their numbers of handlers. */
        handlers: z.string(),
        report: z.unknown(),
        /** Timers of onCreate() that run. */
        timers: z.array(z.object({ name: z.string(), type: z.number(), code: z.number() })).max(10_000),
      }),
    )
    .min(1)
    .max(256),
});

export const commitSchema = z.object({
  v: z.literal(PROTOCOL_VERSION),
  transferId,
  from: hostId,
  rooms: z
    .array(
      z.object({
        roomId,
        epoch: z.number().int().nonnegative(),
        /** v8-serialised RoomSnapshot. */
        bytes: z.instanceof(Uint8Array),
        /** CRC-32 of `bytes`. */
        checksum: z.number().int(),
        /** Ids of the calls it executed lately: they may come by once more. */
        executed: z.array(z.string()).max(10_000),
        /** µs on the machine's monotonic clock at which the room stopped. */
        frozenAt: z.number(),
        /** Sessions of its connections, in the order in which the carrier brings them. */
        sessions: z.array(z.string().max(128)).max(10_000),
        /** Rooms that are restored all, or none. */
        group: z.array(roomId).max(10_000),
      }),
    )
    .min(1)
    .max(256),
});

export const precopySchema = z.object({
  transferId,
  roomId,
  /** v8-serialised StateSnapshot: one slice. Absent when all that was to go ahead has gone. */
  bytes: z.instanceof(Uint8Array).optional(),
});

export const roomsSchema = z.object({ transferId, from: hostId, rooms: z.array(roomId).max(256) });

/**
 * What the target says when it is asked what became of a room: it runs there, or did; it never will; it is restored
 * and waits for the registry. A shell that still waits for its room is thrown away by the question.
 */
export const fateSchema = z.enum(['active', 'discarded', 'committing']);

export const callSchema = z.object({
  roomId,
  call: z.tuple([z.string().nullish(), z.string(), z.unknown()]),
});

/** Presence messages that came to the source between freeze and cut. */
export const lettersSchema = z.object({
  roomId,
  letters: z.array(z.object({ subscription: z.string(), message: z.unknown() })).max(10_000),
});

export type PrepareMessage = z.infer<typeof prepareSchema>;
export type Fate = z.infer<typeof fateSchema>;
export type CommitMessage = z.infer<typeof commitSchema>;
export type ErrorRecord = z.infer<typeof errorSchema>;

export type PrepareReply = {
  roomId: string;
  error?: ErrorRecord;
  /** Timers that the target's onCreate() did not make. */
  missingTimers?: string[];
}[];

export type CommitReply = {
  roomId: string;
  /** Set when the room runs on the target. */
  epoch?: number;
  blackoutMs?: number;
  restoreMs?: number;
  switchMs?: number;
  /** Set when it does not. */
  error?: ErrorRecord;
  /** The target could not learn whether the store took the switch; it gave the room up all the same. */
  unsure?: boolean;
}[];

/** µs on the monotonic clock, which all processes of a machine share. */
export const nowMicros = (): number => Number(process.hrtime.bigint() / 1000n);
