import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type BatonError, callFailed } from '../errors.ts';
import { Delivery, type DeliveryOptions, type Endpoint } from './delivery.ts';
import { Failure } from './failure.ts';

/** What a function is told; see docs/sockets.md for the headers it becomes. */
export interface CallEvent {
  type: 'open' | 'close';
  mapping: string;
  socketId: string;
  playerId: string;
  /** Epoch of the socket's owner; grows with each move. */
  epoch: number | undefined;
  /** Which call of this socket it is, from 1. */
  sequence: number | undefined;
  /** Options the client opened the socket with, or why it closed. */
  data: unknown;
}

/** Answer of an open function; see docs/sockets.md. What is not known here is refused, not ignored. */
export const openReplySchema = z.strictObject({
  /** The socket to link with. */
  peer: z.string().min(1).max(128).optional(),
  /** The player is turned away with this close code and reason. */
  reject: z
    .strictObject({ code: z.number().int().min(4000).max(4999), reason: z.string().max(120) })
    .optional(),
  /** Sent to the client at once. */
  send: z.unknown().optional(),
  /** Kept on the socket, told to its close function. */
  attributes: z.record(z.string(), z.unknown()).optional(),
});
export type OpenReply = z.infer<typeof openReplySchema>;

export interface CallerOptions extends DeliveryOptions {
  /** `ce-source` of every event. */
  source: string;
}

export class Caller {
  private readonly source: string;
  private readonly delivery: Delivery;

  constructor(options: CallerOptions) {
    this.source = options.source;
    this.delivery = new Delivery(options);
  }

  /**
   * Calls an open function.
   * @throws BATON_CALL_FAILED when it cannot be reached in time, answers with an error or with something else
   */
  async open(endpoint: Endpoint, event: CallEvent): Promise<OpenReply> {
    const body = await this.post(endpoint, event);
    if (body.length === 0) return {};
    let json: unknown;
    try {
      json = JSON.parse(body.toString('utf8'));
    } catch {
      throw failed(event, 'it answered with something that is not JSON');
    }
    const parsed = openReplySchema.safeParse(json);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const where = issue?.path.length ? `${issue.path.join('.')}: ` : '';
      throw failed(event, `its answer is invalid: ${where}${issue?.message ?? ''}`);
    }
    return parsed.data;
  }

  /** Tells a close function; its answer does not matter. */
  async close(endpoint: Endpoint, event: CallEvent): Promise<void> {
    await this.post(endpoint, event);
  }

  /** Calls still under way are ended. */
  async shutdown(): Promise<void> {
    await this.delivery.end();
  }

  private async post(endpoint: Endpoint, event: CallEvent): Promise<Buffer> {
    const id = randomUUID();
    const body = JSON.stringify(event.data ?? null);
    try {
      return await this.delivery.deliver(endpoint, { id, headers: this.headers(id, event), body });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      throw failed(event, error.message, { cause: error.cause, callId: id, attempts: error.attempts });
    }
  }

  /** CloudEvents 1.0, HTTP binding, binary mode (section 3.1). */
  private headers(id: string, event: CallEvent): Record<string, string> {
    return {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-source': this.source,
      'ce-type': `baton.socket.${event.type}`,
      'ce-time': new Date().toISOString(),
      'ce-subject': event.socketId,
      'ce-mapping': event.mapping,
      'ce-playerid': encodeURIComponent(event.playerId),
      ...(event.epoch === undefined ? {} : { 'ce-epoch': String(event.epoch) }),
      ...(event.sequence === undefined ? {} : { 'ce-sequence': String(event.sequence) }),
    };
  }
}

function failed(
  event: CallEvent,
  reason: string,
  { cause, ...more }: { cause?: unknown; callId?: string; attempts?: number } = {},
): BatonError {
  const { type, mapping, socketId } = event;
  return callFailed({ event: type, mapping, socketId, reason, ...more }, cause);
}
