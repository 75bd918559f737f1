import type { Answer, FunctionSet, ReceiveEvent, SocketEvent } from '@baton/functions';
import { type CallEvent, headersOf } from '../../calls/index.ts';

/** What a hosted function exports. */
export interface FetchHandler {
  fetch(request: Request, env: object, context: object): Response | Promise<Response>;
}

/** Functions that are called by requests, as over HTTP. */
export function functionsOf(handler: FetchHandler): FunctionSet {
  const context = { waitUntil: () => {}, passThroughOnException: () => {} };
  const call = async (event: SocketEvent): Promise<any> =>
    answerOf(await handler.fetch(requestOf(event), {}, context));
  return { open: call, receive: call, linked: call, unlinked: call, close: call };
}

function requestOf({ id, kind, data, ...event }: SocketEvent): Request {
  const { bytes: body, contentType } =
    kind === 'receive'
      ? (event as ReceiveEvent)
      : { bytes: Buffer.from(JSON.stringify(data ?? {})), contentType: 'application/json' };
  const call: CallEvent = { ...event, type: kind as CallEvent['type'], contentType, body };
  const flat = headersOf(id, '/baton/simulation', call);
  const headers = flat.flatMap((name, n) => (n % 2 === 0 ? [[name, flat[n + 1]!] as [string, string]] : []));
  return new Request('http://function.invalid/', { method: 'POST', headers, body: body as BodyInit });
}

async function answerOf(response: Response): Promise<Answer> {
  if (!response.ok) throw new Error(`it answered with status ${response.status}: ${await response.text()}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length === 0) return undefined;
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('application/octet-stream')) return bytes;
  const text = Buffer.from(bytes).toString();
  return type.startsWith('text/plain') ? text : JSON.parse(text);
}
