import { describe, expect, test } from '@jest/globals';
import {
  Durations,
  type Metric,
  Metrics,
  metricsText,
  type Reader,
} from '../../server/src/telemetry/index.ts';

const of = (host: string, definitions: Record<string, Metric>, readers: Record<string, Reader>) =>
  new Metrics({ host }, definitions, readers);

/** Lines of one metric. */
const linesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(name) || line.endsWith(`${name} gauge`));

describe('metrics', () => {
  test('of several processes are one text, each with its name once', async () => {
    const definitions: Record<string, Metric> = {
      baton_a: { type: 'gauge', help: 'A', labels: ['kind'] },
      baton_b_total: { type: 'counter', help: 'B' },
    };
    const one = of('h1', definitions, {
      baton_a: () => [
        [['x'], 1],
        [['y'], 2],
      ],
      baton_b_total: () => 7,
    });
    const two = of('h2', definitions, { baton_a: async () => [[['x'], 3]], baton_b_total: () => 0 });
    const text = await metricsText([await one.read(), await two.read()]);
    expect(linesOf(text, 'baton_')).toEqual([
      'baton_a{kind="x",host="h1"} 1',
      'baton_a{kind="y",host="h1"} 2',
      'baton_a{kind="x",host="h2"} 3',
      'baton_b_total{host="h1"} 7',
      'baton_b_total{host="h2"} 0',
    ]);
    expect(text.match(/^# TYPE baton_a gauge$/gm)).toHaveLength(1);
    expect(text.match(/^process_cpu_seconds_total\{host="h[12]"\} /gm)).toHaveLength(2);
  });

  test('of durations are a histogram that Prometheus can add up', async () => {
    const durations = new Durations();
    for (const seconds of [0.0004, 0.0005, 0.02, 60]) durations.add(seconds);
    const metrics = of('h1', { baton_d: { type: 'histogram', help: 'D' } }, { baton_d: () => durations });
    const lines = linesOf(await metricsText([await metrics.read()]), 'baton_d');
    expect(lines).toContain('baton_d_bucket{le="0.0005",host="h1"} 2');
    expect(lines).toContain('baton_d_bucket{le="0.01",host="h1"} 2');
    expect(lines).toContain('baton_d_bucket{le="0.025",host="h1"} 3');
    expect(lines).toContain('baton_d_bucket{le="10",host="h1"} 3');
    expect(lines).toContain('baton_d_bucket{le="+Inf",host="h1"} 4');
    expect(lines).toContain('baton_d_count{host="h1"} 4');
    expect(lines).toContain('baton_d_sum{host="h1"} 60.0209');
  });

  test('whose reader fails are left without values, the others are told', async () => {
    const definitions: Record<string, Metric> = {
      baton_a: { type: 'gauge', help: 'A' },
      baton_b: { type: 'gauge', help: 'B' },
    };
    const metrics = of('h1', definitions, {
      baton_a: async () => Promise.reject(new Error('no')),
      baton_b: () => 1,
    });
    expect(linesOf(await metricsText([await metrics.read()]), 'baton_')).toEqual(['baton_b{host="h1"} 1']);
  });
});
