import { type FunctionRequest, type FunctionResponse, problem } from './http.ts';

/** Bytes of a call. */
const LONGEST_BODY = 1024 * 1024;

/** Answers a call that comes as a Request: in workerd, Deno, or whatever else serves with fetch(). */
export async function answerFetch(
  handle: (request: FunctionRequest) => Promise<FunctionResponse>,
  request: Request,
): Promise<Response> {
  const sent = new Uint8Array(await request.arrayBuffer());
  const { status, headers, body } =
    sent.byteLength > LONGEST_BODY
      ? problem(413, `The body exceeds ${LONGEST_BODY} bytes.`)
      : await handle({
          method: request.method,
          header: (name) => request.headers.get(name) ?? undefined,
          body: sent,
        });
  return new Response((body as BodyInit | undefined) ?? null, { status, headers });
}
