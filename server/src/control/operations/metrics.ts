import { z } from 'zod';
import { METRICS_TYPE } from '../../telemetry/index.ts';
import { type Operation, operation } from '../operation.ts';

/** @param metrics text of all metrics as Prometheus reads it */
export function metricsOperations(metrics: () => Promise<string>): Operation[] {
  return [
    operation({
      id: 'metrics',
      method: 'GET',
      path: '/metrics',
      summary: 'Metrics of all hosts of this machine, in the text format of Prometheus',
      tag: 'metrics',
      scope: 'hosts:read',
      answer: z.string(),
      mediaType: METRICS_TYPE,
      errors: [],
      run: metrics,
    }),
  ];
}
