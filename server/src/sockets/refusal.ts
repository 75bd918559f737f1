// A plain client that gets no socket is told why: an event, where it hears such, and a close code with its reason.
import type { ServerError } from '@colyseus/core';
import { BatonError, protocolUnsupported } from '../errors.ts';
import type { Log } from '../telemetry/index.ts';
import type { PlainClient } from '../transport/index.ts';
import { CloseCode } from './close-codes.ts';
import { eventText, hearsEvents, type Speech } from './speech.ts';

export const RESUME = 'baton.resume.v1' satisfies Speech;

export function refuse(client: PlainClient, speech: Speech, error: unknown, log: Log): void {
  const { code, name, message } = describe(error);
  if (!name) log.debug({ err: error }, 'a socket was not opened');
  if (hearsEvents(speech) && name)
    client.ref.send(eventText('error', { code: name, message }), { binary: false });
  client.leave(code, name ?? message);
}

/** Why a client that speaks another version of baton.resume gets no socket. */
export function otherSpoken({ protocol, newer }: { protocol: string; newer: boolean }): BatonError {
  const remedy = newer
    ? 'Update the service, or use an older @baton/client.'
    : 'Update @baton/client in the game.';
  return protocolUnsupported({ protocol, known: RESUME, remedy });
}

/** @returns the code of the catalogue, too, unless a function turned the player away with words of its own */
function describe(error: unknown): { code: number; name?: string; message: string } {
  if (error instanceof BatonError)
    return { code: CloseCode.refused, name: error.code, message: error.message };
  const { code, cause, message } = error as ServerError;
  if (cause instanceof BatonError) {
    const failed = code >= 4000 && code < 5000 ? code : CloseCode.refused;
    return { code: failed, name: cause.code, message: cause.message };
  }
  if (code >= 4000 && code < 5000) return { code, message };
  return { code: CloseCode.openFailed, name: 'BATON_INTERNAL', message: 'The socket could not be opened.' };
}
