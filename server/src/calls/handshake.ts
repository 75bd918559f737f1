// Whether an endpoint wants the calls: CloudEvents "HTTP 1.1 Web Hooks for Event Delivery" 1.0, section 4. Without it a
// mapping could make the service post to whoever cannot tell it to stop.
import { endpointUnproven } from '../errors.ts';
import type { Delivery } from './delivery.ts';
import { Failure } from './failure.ts';

/** For the answer. */
const HANDSHAKE_MS = 5_000;

/**
 * @param origin DNS name by which the service goes
 * @throws BATON_ENDPOINT_UNPROVEN
 */
export async function handshake(delivery: Delivery, url: string, origin: string): Promise<void> {
  const refuse = (reason: string, cause?: unknown): never => {
    throw endpointUnproven({ url, reason }, cause);
  };
  const headers = ['webhook-request-origin', origin];
  const { status, headers: answer } = await delivery.ask(url, headers, HANDSHAKE_MS).catch((error) => {
    if (!(error instanceof Failure)) throw error;
    return refuse(error.message, error.cause);
  });
  if (status < 200 || status > 299) refuse(`it answered ${status} to OPTIONS`);
  const allowed = answer['webhook-allowed-origin'];
  if (allowed !== '*' && String(allowed).toLowerCase() !== origin.toLowerCase()) {
    const said = allowed === undefined ? 'has no WebHook-Allowed-Origin' : 'allows another origin';
    refuse(`its answer ${said}; expected "${origin}" or "*"`);
  }
  // Calls follow what players do: there is no rate to keep to. One that allows less than all is not called at all.
  const rate = answer['webhook-allowed-rate'];
  if (rate !== undefined && rate !== '*')
    refuse('it limits the rate of calls; expected WebHook-Allowed-Rate: *');
}
