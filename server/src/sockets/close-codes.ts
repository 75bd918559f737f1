// How a socket ends: the close codes clients see, and errors in the form in which Colyseus carries them.
import { CloseCode as Core, ErrorCode, ServerError } from '@colyseus/core';
import { asBatonError } from '../errors.ts';
import { WireCode } from '../transport/index.ts';

/** RFC 6455 §7.4.2: 4000 to 4999 are private use; Colyseus takes 4000 to 4010. */
export const CloseCode = {
  /** The client sent more than is held back for a peer that is not there yet. */
  heldOverflow: 4013,
  /** The peer has left, and the mapping says `onPeerLeave: "close"`. */
  peerLeft: 4014,
  /** The open function failed; also the code of the error that joinOrCreate() rejects with. */
  openFailed: 4015,
  /** The client sent more messages than the mapping allows. */
  tooManyMessages: 4016,
  /** The socket was not opened: its reason is the code of the error, `BATON_TOKEN_INVALID` for example. */
  refused: 4017,
  /** The client sent more than may wait for its receive function. */
  receiveOverflow: 4018,
  /** The control API closed it, without a code of its own. */
  deleted: 4019,
  /** The client was not let into the room of its link; its socket stays open. */
  roomRefused: 4020,
  /** The client said nothing for as long as the mapping allows. */
  idle: 4021,
  /** Of a client: the connection is of no use to it, and it goes on with another one. */
  resuming: 4022,
} as const;

/** Why a socket has closed, as the close function is told. A client says goodbye with any code, or with none. */
export function closeReason(code: number | undefined): string {
  switch (code) {
    case CloseCode.heldOverflow:
      return 'held-overflow';
    case CloseCode.peerLeft:
      return 'peer-left';
    case CloseCode.tooManyMessages:
      return 'too-many-messages';
    case CloseCode.receiveOverflow:
      return 'receive-overflow';
    case CloseCode.idle:
      return 'idle';
    case Core.SERVER_SHUTDOWN:
      return 'server-shutdown';
    case Core.WITH_ERROR:
    case WireCode.PROTOCOL_ERROR:
    case WireCode.INVALID_TEXT:
    case WireCode.POLICY:
    case WireCode.TOO_BIG:
    case WireCode.TRY_AGAIN_LATER:
      return 'error';
    case undefined:
    case WireCode.ABNORMAL:
    case Core.FAILED_TO_RECONNECT:
    case CloseCode.resuming:
      return 'lost';
    default:
      return 'left';
  }
}

/** Clients get the code of the catalogue in front of the text: `BATON_CALL_FAILED: The open function …`. */
export function asServerError(error: unknown, code: number): ServerError {
  if (error instanceof ServerError) return error;
  const known = asBatonError(error);
  return new ServerError(code, `${known.code}: ${known.message}`, { cause: error });
}

/** Matchmaking answers with the code as its HTTP status. */
export const notOpened = (error: unknown): ServerError => asServerError(error, ErrorCode.APPLICATION_ERROR);
export const tokenRefused = (error: unknown): ServerError => asServerError(error, ErrorCode.AUTH_FAILED);
