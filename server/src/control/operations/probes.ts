import { z } from 'zod';
import { notReady } from '../../errors.ts';
import { type Operation, operation } from '../operation.ts';

const ok = z.object({ status: z.string() });

/** @param unready text of why the host should get no traffic; `undefined` = it should */
export function probeOperations(
  unready?: () => string | undefined | Promise<string | undefined>,
): Operation[] {
  return [
    operation({
      id: 'alive',
      method: 'GET',
      path: '/healthz',
      summary: 'The process answers',
      tag: 'probes',
      scope: 'open',
      answer: ok,
      errors: [],
      run: async () => ({ status: 'ok' }),
    }),
    operation({
      id: 'ready',
      method: 'GET',
      path: '/readyz',
      summary: 'The host should get traffic',
      description: '503 while the store is away.',
      tag: 'probes',
      scope: 'open',
      answer: ok,
      errors: ['BATON_NOT_READY'],
      run: async () => {
        const reason = await unready?.();
        if (reason !== undefined) throw notReady({ reason });
        return { status: 'ok' };
      },
    }),
  ];
}
