// The runner's side of the protocol.
import http from 'node:http';
import { asBatonError, BatonError, invalidRequest, notFound } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';
import { type Asked, type Question, questions } from './protocol.ts';
import type { Runner } from './runner.ts';

/** A bundle as JSON: most characters take one byte, some six. */
const MAX_QUESTION_BYTES = 8 * 1024 * 1024;

type Answers = { [Q in Question]: (asked: Asked<Q>) => Promise<unknown> };

const answersOf = (runner: Runner): Answers => ({
  socket: async ({ tenant, name }) => ({ socket: await runner.socket(tenant, name) }),
  deploy: ({ tenant, name, ...bundle }) => runner.deploy(tenant, name, bundle),
  rollback: ({ tenant, name, version }) => runner.rollback(tenant, name, version),
  list: async ({ tenant }) => ({ functions: await runner.list(tenant) }),
  show: ({ tenant, name }) => runner.show(tenant, name),
  remove: ({ tenant, name }) => runner.remove(tenant, name),
  logs: ({ tenant, name, after, limit, waitMs }) => runner.logs(tenant, name, after, limit, waitMs),
  setSecret: ({ tenant, name, value }) => runner.setSecret(tenant, name, value),
  secrets: async ({ tenant }) => ({ secrets: await runner.secrets(tenant) }),
  removeSecret: ({ tenant, name }) => runner.removeSecret(tenant, name),
});

/** @param asked called with the process id of the host that asks */
export function serve(runner: Runner, log: Log, asked: (pid: number) => void): http.Server {
  const answers = answersOf(runner);
  return http.createServer(async (request, response) => {
    asked(Number(request.headers['baton-pid']));
    try {
      const name = (request.url ?? '').slice(1);
      if (!Object.hasOwn(questions, name)) throw notFound({ path: request.url });
      const question = name as Question;
      const parsed = questions[question].safeParse(await readJson(request));
      if (!parsed.success) throw invalidRequest({ reason: reasonOf(parsed.error.issues[0]!) });
      const answer = await answers[question](parsed.data as never);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}));
    } catch (error) {
      if (!(error instanceof BatonError)) log.error({ err: error }, 'a question about functions failed');
      const failure = asBatonError(error);
      response
        .writeHead(failure.status, { 'content-type': 'application/json' })
        .end(JSON.stringify(failure.toJSON()));
    }
  });
}

async function readJson(request: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_QUESTION_BYTES) throw invalidRequest({ reason: 'the question is too long' });
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

const reasonOf = ({ path, message }: { path: PropertyKey[]; message: string }) =>
  path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`;
