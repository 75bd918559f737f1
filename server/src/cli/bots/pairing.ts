import { defineFunctions, firstComePairs } from '@baton/functions';
import { BatonError, invalidOption } from '../../errors.ts';
import type { ServiceClient } from '../service-client.ts';

export interface Pairing {
  /** Name of a mapping that links two at a time. */
  mapping: string;
  close(): Promise<void>;
}

/**
 * The mapping that was named, or one for this run, with a function in this process.
 * @throws invalidOption when the service may not call this machine
 */
export async function openPairing(
  service: ServiceClient,
  named: string | undefined,
  seed: number,
): Promise<Pairing> {
  if (named !== undefined) return { mapping: named, close: async () => {} };
  const functions = await defineFunctions(firstComePairs()).serve({ port: 0 });
  const mapping = `baton-bots-${seed}`;
  const path = `/v1/mappings/${mapping}`;
  try {
    const endpoint = { url: functions.url };
    await service.ask({ method: 'PUT', path, body: { open: endpoint, close: endpoint } });
  } catch (error) {
    await functions.close();
    if (!(error instanceof BatonError) || !error.code.startsWith('BATON_ENDPOINT')) throw error;
    const reason = `name one that links two at a time; the service does not call this machine (${error.message})`;
    throw invalidOption({ option: '--mapping', reason }, error);
  }
  return {
    mapping,
    async close() {
      await service.ask({ method: 'DELETE', path }).catch(() => {});
      await functions.close();
    },
  };
}
