// Traces by OpenTelemetry, where an endpoint for them is configured. Without one, none of its code is loaded, and a span
// costs one look at a variable.
import type { SpanKind, Tracer } from '@opentelemetry/api';
import type { Log } from './log.ts';

/** How long the spans that are left may take to go out when a host ends. */
const FLUSH_MS = 2_000;
/** W3C Trace Context §3.2. */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const MISSING =
  'OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: npm install @opentelemetry/sdk-trace@3.1.0 ' +
  '@opentelemetry/resources@3.1.0 @opentelemetry/exporter-trace-otlp-http@0.301.0';

type Api = typeof import('@opentelemetry/api');
type Attributes = Record<string, string | number | boolean>;

export interface Traced {
  /** What is passed on to whoever is called meanwhile, W3C Trace Context §3.2. */
  readonly traceparent: string;
  /** @param error what it failed with, if it did */
  end(error?: unknown, attributes?: Attributes): void;
}

let active: { api: Api; tracer: Tracer } | undefined;

/**
 * A span that begins now; undefined when traces are off.
 * @param parent `traceparent` of what it is a part of; anything else begins a trace
 */
export function traced(
  name: string,
  kind: keyof typeof SpanKind,
  attributes: Attributes,
  parent?: string,
): Traced | undefined {
  if (!active) return undefined;
  const { api, tracer } = active;
  const options = { kind: api.SpanKind[kind], attributes };
  const span = tracer.startSpan(name, options, contextOf(api, parent));
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
    end(error, more) {
      if (more) span.setAttributes(more);
      if (error !== undefined) {
        span.setStatus({ code: api.SpanStatusCode.ERROR });
        const { code } = error as { code?: unknown };
        span.setAttribute('error.type', typeof code === 'string' ? code : 'other');
      }
      span.end();
    },
  };
}

function contextOf(api: Api, parent: string | undefined) {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(parent ?? '') ?? [];
  if (!traceId || !spanId || !flags) return api.ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags, 16);
  return api.trace.setSpanContext(api.ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/**
 * Sends traces to where `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`) says; `OTEL_TRACES_SAMPLER_ARG` is the share
 * of traces that begin here and are sent, 0 to 1, default all. Without an endpoint nothing happens.
 * @param host id of the host
 * @returns ends it, once what is left has been sent
 */
export async function startTraces(host: string, log: Log): Promise<() => Promise<void>> {
  const { env } = process;
  const nothing = async () => {};
  if (!env['OTEL_EXPORTER_OTLP_ENDPOINT'] && !env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) return nothing;
  try {
    const [api, sdk, { resourceFromAttributes }, { OTLPTraceExporter }] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/exporter-trace-otlp-http'),
    ]);
    const share = Number(env['OTEL_TRACES_SAMPLER_ARG'] ?? 1);
    const root = new sdk.TraceIdRatioBasedSampler(share >= 0 && share <= 1 ? share : 1);
    const provider = new sdk.TracerProvider({
      resource: resourceFromAttributes({
        'service.name': env['OTEL_SERVICE_NAME'] || 'baton',
        'service.instance.id': host,
      }),
      sampler: new sdk.ParentBasedSampler({ root }),
      spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
    });
    active = { api, tracer: provider.getTracer('baton') };
    return async () => {
      active = undefined;
      const late = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_MS).unref());
      await Promise.race([provider.shutdown().catch(() => {}), late]);
    };
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw err;
    log.warn(MISSING);
    return nothing;
  }
}
