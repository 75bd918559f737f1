import { randomUUID } from 'node:crypto';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { BatonError, callFailed } from '../errors.ts';
import type { AddressGuard } from './address-guard.ts';
import { Signer } from './signature.ts';

/** What a function is told; see docs/sockets.md for the headers it becomes. */
export interface CallEvent {
  type: 'open' | 'close';
  mapping: string;
  socketId: string;
  playerId: string;
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

/** Longest answer that is read, in bytes. */
const MAX_REPLY_BYTES = 64 * 1024;

export interface CallerOptions {
  /** `ce-source` of every event. */
  source: string;
  /** Where endpoints may be. */
  guard: AddressGuard;
  /** Calls are signed with each of them; with none they are not signed. */
  secrets: readonly string[];
}

export class Caller {
  private readonly source: string;
  private readonly signer: Signer | undefined;
  private readonly agent: Agent;

  constructor(options: CallerOptions) {
    this.source = options.source;
    this.signer = options.secrets.length > 0 ? new Signer(options.secrets) : undefined;
    this.agent = new Agent({
      connect: options.guard.connector(),
      connections: 64,
      pipelining: 1,
      keepAliveTimeout: 30_000,
    });
  }

  /**
   * Calls an open function.
   * @throws BATON_CALL_FAILED when it cannot be reached in time, answers with an error or with something else
   */
  async open(endpoint: { url: string; timeout: number }, event: CallEvent): Promise<OpenReply> {
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
  async close(endpoint: { url: string; timeout: number }, event: CallEvent): Promise<void> {
    await this.post(endpoint, event);
  }

  /** Calls still under way are ended. */
  async shutdown(): Promise<void> {
    await this.agent.destroy();
  }

  private async post(endpoint: { url: string; timeout: number }, event: CallEvent): Promise<Buffer> {
    const id = randomUUID();
    const payload = JSON.stringify(event.data ?? null);
    try {
      const response = await request(endpoint.url, {
        method: 'POST',
        dispatcher: this.agent,
        headers: {
          ...this.headers(id, event),
          ...this.signer?.headers(id, Math.floor(Date.now() / 1_000), payload),
        },
        body: payload,
        signal: AbortSignal.timeout(endpoint.timeout),
      });
      const body = await readBounded(response.body, event);
      if (response.statusCode < 200 || response.statusCode >= 300)
        throw failed(event, `it answered ${response.statusCode}`);
      return body;
    } catch (error) {
      if (error instanceof BatonError && error.code === 'BATON_CALL_FAILED') throw error;
      // players see the reason: addresses and system errors stay in the cause
      const timedOut = (error as Error).name === 'TimeoutError';
      throw failed(
        event,
        timedOut ? `no answer within ${endpoint.timeout} ms` : 'it cannot be reached',
        error,
      );
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
    };
  }
}

async function readBounded(body: AsyncIterable<Uint8Array>, event: CallEvent): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) throw failed(event, `its answer is longer than ${MAX_REPLY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failed(event: CallEvent, reason: string, cause?: unknown): BatonError {
  return callFailed({ event: event.type, mapping: event.mapping, socketId: event.socketId, reason }, cause);
}
