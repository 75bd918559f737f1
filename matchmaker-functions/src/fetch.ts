import { type FunctionRequest, type FunctionResponse, tooLarge } from './http.ts';

/** Answers a call that comes as a Request: in workerd, Deno, or whatever else serves with fetch(). */
export async function answerFetch(
  handle: (request: FunctionRequest) => Promise<FunctionResponse>,
  request: Request,
  maxBody: number,
): Promise<Response> {
  const sent = await readBody(request, maxBody);
  const { status, headers, body } = sent
    ? await handle({
        method: request.method,
        header: (name) => request.headers.get(name) ?? undefined,
        body: sent,
      })
    : tooLarge(maxBody);
  return new Response((body as BodyInit | undefined) ?? null, { status, headers });
}

/** `undefined` when the body is larger than `maxBody`: then no more of it is read. */
async function readBody({ headers, body }: Request, maxBody: number): Promise<Uint8Array | undefined> {
  const reader = body?.getReader();
  if (!reader) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let size = Number(headers.get('content-length') ?? 0) > maxBody ? Infinity : 0;
  while (size <= maxBody) {
    const { value } = await reader.read();
    if (!value) return joined(parts, size);
    parts.push(value);
    size += value.byteLength;
  }
  // whoever sends it may not even notice
  reader.cancel().catch(() => {});
  return undefined;
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
