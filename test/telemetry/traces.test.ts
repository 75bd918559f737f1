import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog, startTraces, traced } from '../../server/src/telemetry/index.ts';
import { json as answer, functionServer, status } from '../calls/server.ts';
import { closeAll, serve } from '../control/support.ts';

let collector: http.Server;
let sent: any[] = [];
let end = async () => {};

beforeEach(async () => {
  sent = [];
  collector = http.createServer(async (request, response) => {
    const { resourceSpans } = (await json(request)) as { resourceSpans: any[] };
    for (const { resource, scopeSpans } of resourceSpans)
      for (const { spans } of scopeSpans) sent.push(...spans.map((span: object) => ({ ...span, resource })));
    response.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  delete process.env['OTEL_TRACES_SAMPLER_ARG'];
  await end();
  await closeAll();
  collector.closeAllConnections();
  await new Promise((resolve) => collector.close(resolve));
});

async function configured(): Promise<void> {
  const { port } = collector.address() as AddressInfo;
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${port}`;
  end = await startTraces('h1', silentLog);
}
const attributesOf = ({ attributes }: any) =>
  Object.fromEntries(attributes.map(({ key, value }: any) => [key, Object.values(value)[0]]));

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('traces', () => {
  test('are off unless an endpoint for them is configured', async () => {
    end = await startTraces('h1', silentLog);
    expect(traced('call', 'CLIENT', {})).toBeUndefined();
  });

  test('go there, with the ids that were passed on', async () => {
    await configured();
    const span = traced('call', 'CLIENT', { 'baton.mapping': 'duel' }, parent)!;
    expect(span.traceparent).toMatch(
      /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/,
    );
    span.end({ code: 'BATON_CALL_FAILED' }, { attempts: 3 });
    await end();
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      name: 'call',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
      spanId: span.traceparent.split('-')[2],
      status: { code: 2 },
    });
    expect(attributesOf(sent[0])).toEqual({
      'baton.mapping': 'duel',
      attempts: 3,
      'error.type': 'BATON_CALL_FAILED',
    });
    expect(attributesOf(sent[0].resource)).toEqual({ 'service.name': 'baton', 'service.instance.id': 'h1' });
  });

  test.each(['', 'nonsense', parent.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32))])(
    'begin anew where the parent is %j',
    async (wrong) => {
      await configured();
      const span = traced('call', 'CLIENT', {}, wrong)!;
      expect(span.traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      span.end();
      await end();
      expect(sent[0].parentSpanId ?? '').toBe('');
    },
  );

  test('of which none are to be sent have the flag that says so', async () => {
    process.env['OTEL_TRACES_SAMPLER_ARG'] = '0';
    await configured();
    expect(traced('call', 'CLIENT', {})!.traceparent).toMatch(/-00$/);
    expect(traced('call', 'CLIENT', {}, parent)!.traceparent).toMatch(/-01$/);
  });

  test('have a span for each call to a function, which is told so', async () => {
    await configured();
    const server = await functionServer(answer({}), status(400));
    const { caller, endpoint, event, asked } = server;
    await caller.call(endpoint, event);
    await expect(caller.call(endpoint, event)).rejects.toThrow();
    await end();
    await caller.call(endpoint, event).catch(() => {});
    await server.stop();
    const [first, second, off] = asked.map(({ headers }) => headers['traceparent']);
    expect(off).toBeUndefined();
    expect(sent.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`)).toEqual([first, second]);
    expect(sent).toMatchObject([
      { name: 'baton.socket.open', kind: 3, status: { code: 0 } },
      { name: 'baton.socket.open', status: { code: 2 } },
    ]);
    expect(attributesOf(sent[1])).toEqual({
      'baton.tenant': 'default',
      'baton.mapping': 'duel',
      'error.type': 'BATON_CALL_FAILED',
    });
  });

  test('have a span for each control request, part of the trace it came with', async () => {
    await configured();
    const api = await serve();
    await api.send('POST', '/v1/rooms/a/migrate', { body: { to: 'h2' }, headers: { traceparent: parent } });
    await end();
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      name: 'POST /v1/rooms/{id}/migrate',
      parentSpanId: 'b7ad6b7169203331',
    });
    expect(attributesOf(sent[0])).toMatchObject({ 'http.response.status_code': 200 });
  });
});
