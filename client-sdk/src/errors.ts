/**
 * Codes of what goes wrong on the client's own side, and what is said of it. All other codes are of the service's
 * catalogue, docs/errors.md.
 */
export const clientErrors = {
  BATON_INVALID_URL:
    '{url} is no URL of a service. Pass one such as "https://play.example" or "ws://127.0.0.1:2567".',
  BATON_NO_WEBSOCKET:
    'There is no WebSocket here. Node has one from 22 on; otherwise pass one: new Baton(url, { WebSocket }), with the class of the package "ws" for example.',
  BATON_TOKEN_MISSING:
    'No token: it is {found}. Pass the player’s token as text, or a function that gets it; with `baton start --dev` any name will do.',
  BATON_UNREACHABLE:
    'No Baton service answers at {url}. Look whether it runs (`baton status`), whether the URL and its port are right, and whether a proxy in between lets WebSockets through.',
  BATON_REFUSED: 'The function turned the player away: {reason}',
  BATON_CLOSED: 'The socket is closed. Open another one.',
  BATON_CONNECTION_LOST:
    'The network was gone for longer than the service waits for a client ({ms} ms). Open another socket.',
  BATON_SEND_BUFFER_FULL:
    '{bytes} bytes wait for the service, more than maxBuffered allows. Send less, or wait until bufferedAmount is lower.',
  BATON_SEND_TIMEOUT:
    'A message was not sent: there was no connection within {ms} ms. Send it again if it still matters.',
  BATON_REQUEST_TIMEOUT:
    'The request was not answered within {ms} ms. The function may have been called all the same: ask again if that does no harm.',
  BATON_NOT_FORWARDED: 'The mapping forwards to its functions only: use send() or request().',
  BATON_MESSAGE_INVALID: 'A message is not as it should be: {reason}',
  BATON_EVENTS_LOST:
    '{count} events "{name}" came before anybody took them, and were not kept. Listen right after open(), and take messages as fast as they come.',
  BATON_ROOM_SDK:
    'The room cannot be entered, because @colyseus/sdk does not load: {reason}. Install it, and put it into the bundle.',
} as const;

/** What went wrong; `code` is one of the service's catalogue, or of `clientErrors`. */
export class SocketError extends Error {
  override readonly name = 'SocketError';
  readonly code: string;
  /** Code with which the service closed the socket, where it did. */
  readonly status: number | undefined;

  constructor(code: string, message: string, status?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status;
  }
}

export function clientError(
  code: keyof typeof clientErrors,
  details: Record<string, unknown> = {},
  { status, cause }: { status?: number; cause?: unknown } = {},
): SocketError {
  const text = clientErrors[code].replace(/\{(\w+)\}/g, (_, name: string) => String(details[name]));
  return new SocketError(code, text, status, cause);
}

/** Why a signal gives up: some environments, such as React Native, say no reason. */
export const abortedBy = (signal: AbortSignal): unknown => signal.reason ?? new Error('aborted');
