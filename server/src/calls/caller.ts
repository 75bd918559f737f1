import { randomUUID } from 'node:crypto';
import { type BatonError, callFailed } from '../errors.ts';
import { counters, figures, traced } from '../telemetry/index.ts';
import { Delivery, type DeliveryOptions, type Endpoint } from './delivery.ts';
import {
  type CallEvent,
  encodeAttributes,
  headersOf,
  MAX_ATTRIBUTES_BYTES,
  mergeAttributes,
} from './event.ts';
import type { Answer } from './exchange.ts';
import { Failure } from './failure.ts';
import { handshake } from './handshake.ts';
import { InvalidReply, type Reply, readReply } from './reply.ts';

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
   * Calls a function.
   * @returns its answer; of attributes all that are to be kept from now on
   * @throws BATON_CALL_FAILED when it cannot be reached in time, answers with an error or with something else
   */
  call(endpoint: Endpoint, event: CallEvent): Promise<Reply> {
    return this.post(endpoint, event, randomUUID(), readAnswer);
  }

  /**
   * Calls a function whose answer does not matter.
   * @param id of a call that was made before
   * @throws BATON_CALL_FAILED
   */
  tell(endpoint: Endpoint, event: CallEvent, id: string = randomUUID()): Promise<void> {
    return this.post(endpoint, event, id, ignoreAnswer);
  }

  /**
   * Asks an endpoint whether it wants calls of this service.
   * @throws BATON_ENDPOINT_UNPROVEN
   */
  async prove(url: string, origin: string): Promise<void> {
    await handshake(this.delivery, url, origin);
  }

  /** Calls still under way are ended. */
  async shutdown(): Promise<void> {
    await this.delivery.end();
  }

  /** Endpoints whose circuit is open. */
  get openCircuits(): number {
    return this.delivery.openCircuits;
  }

  private async post<Result>(
    endpoint: Endpoint,
    event: CallEvent,
    id: string,
    read: (answer: Answer, event: CallEvent) => Result,
  ): Promise<Result> {
    const { tenant, mapping, type, body } = event;
    const since = performance.now();
    const span = traced(`baton.socket.${type}`, 'CLIENT', {
      'baton.tenant': tenant,
      'baton.mapping': mapping,
    });
    let failure: unknown;
    let answer: Answer;
    try {
      const headers = headersOf(id, this.source, event);
      if (span) headers.push('traceparent', span.traceparent);
      answer = await this.delivery.deliver(endpoint, { tenant, id, headers, body });
    } catch (error) {
      failure = error;
      if (!(error instanceof Failure)) throw error;
      throw failed(event, error.message, { cause: error.cause, callId: id, attempts: error.attempts });
    } finally {
      counters.calls.add(failure === undefined ? `${type} delivered` : `${type} failed`);
      counters.callSeconds.add(type, (performance.now() - since) / 1_000);
      figures.add(tenant, mapping, type, performance.now() - since, failure !== undefined);
      span?.end(failure && { code: 'BATON_CALL_FAILED' });
    }
    try {
      return read(answer, event);
    } catch (error) {
      if (!(error instanceof InvalidReply)) throw error;
      throw failed(event, error.message, { callId: id, attempts: 1 });
    }
  }
}

function readAnswer({ headers, body }: Answer, event: CallEvent): Reply {
  const type = headers['content-type'];
  return kept(event, readReply(typeof type === 'string' ? type : undefined, body, event.type === 'open'));
}

const ignoreAnswer = (): void => {};

function kept(event: CallEvent, reply: Reply): Reply {
  const { attributes } = reply.actions;
  if (!attributes) return reply;
  const all = mergeAttributes(event.attributes, attributes);
  if (all && encodeAttributes(all).length > MAX_ATTRIBUTES_BYTES)
    throw new InvalidReply(`its attributes are longer than ${MAX_ATTRIBUTES_BYTES} bytes`);
  return { ...reply, actions: { ...reply.actions, attributes: all ?? {} } };
}

function failed(
  event: CallEvent,
  reason: string,
  { cause, ...more }: { cause?: unknown; callId: string; attempts: number },
): BatonError {
  const { type, mapping, socketId } = event;
  return callFailed({ event: type, mapping, socketId, reason, ...more }, cause);
}
