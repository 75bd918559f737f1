import { expect, test } from '@jest/globals';
import { METRICS } from '../../server/src/host/metrics.ts';
import type { Metric } from '../../server/src/telemetry/index.ts';
import { codeIn, proseOf, rowsOf } from './markdown.ts';

test('docs/metrics.md lists every metric as it is, and no others', () => {
  const documented = rowsOf('docs/metrics.md', 'Names').map(([name, type, labels, meaning]) => ({
    name: codeIn(name)!,
    type,
    labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label),
    meaning,
  }));
  const real = Object.entries<Metric>(METRICS).map(([name, { type, labels = [], help }]) => ({
    name,
    type,
    labels: [...labels],
    meaning: help,
  }));
  expect(documented).toEqual(real);
});

test('names are those that Prometheus recommends', () => {
  for (const [name, { type }] of Object.entries<Metric>(METRICS)) {
    expect(name).toMatch(/^baton_[a-z_]+$/);
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
  }
  const named = [...proseOf('docs/metrics.md').matchAll(/`(baton_\w+)`/g)].map(([, name]) => name!);
  for (const name of named) expect(METRICS).toHaveProperty(name);
});
