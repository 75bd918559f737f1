import { Client, type Room } from '@colyseus/sdk';
import { fromJoin, SocketError } from './errors.ts';
import { BatonSocket, type Data } from './socket.ts';

export interface OpenOptions {
  /** Who the player is; asked for at the moment of opening when it is a function. */
  token: string | (() => string | Promise<string>);
  /** Told to the mapping's open function. */
  attributes?: Record<string, unknown>;
  /** Gives up opening; a socket that opens all the same is closed again. */
  signal?: AbortSignal;
}

/**
 * Opens a socket on a mapping.
 *
 * @param url     the service, `https://host` or `wss://host`
 * @param mapping name of the mapping
 * @throws SocketError with the service's code: BATON_TOKEN_INVALID, BATON_CALL_FAILED, …; or the signal's reason
 */
export async function open<Message = Data>(
  url: string,
  mapping: string,
  options: OpenOptions,
): Promise<BatonSocket<Message>> {
  const { signal, attributes } = options;
  signal?.throwIfAborted();
  const opening = join(url, mapping, options.token, attributes);
  try {
    return new BatonSocket<Message>(await (signal ? Promise.race([opening, aborted(signal)]) : opening));
  } catch (error) {
    if (signal?.aborted) opening.then((room) => room.leave()).catch(() => {});
    throw error;
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

async function join(
  url: string,
  mapping: string,
  token: OpenOptions['token'],
  attributes: OpenOptions['attributes'],
): Promise<Room> {
  const given = typeof token === 'function' ? await token() : token;
  let client: Client;
  try {
    client = new Client(url);
  } catch (error) {
    throw new SocketError('BATON_INVALID_URL', `${url} is not a URL of a service.`, undefined, error);
  }
  try {
    return await client.joinOrCreate(mapping, { token: given, ...(attributes ? { attributes } : {}) });
  } catch (error) {
    throw fromJoin(error);
  }
}
