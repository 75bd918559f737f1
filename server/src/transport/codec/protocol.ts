// Numbers of RFC 6455 that reading and writing share.

/** Frame opcodes (RFC 6455 §5.2). */
export const Opcode = {
  CONTINUATION: 0x0,
  TEXT: 0x1,
  BINARY: 0x2,
  CLOSE: 0x8,
  PING: 0x9,
  PONG: 0xa,
} as const;

/** Close codes the protocol itself uses (RFC 6455 §7.4.1 and the IANA registry). */
export const WireCode = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  /** Never on the wire: the peer's close frame had no code. */
  NO_CODE: 1005,
  /** Never on the wire: the connection ended without a close frame. */
  ABNORMAL: 1006,
  INVALID_TEXT: 1007,
  POLICY: 1008,
  TOO_BIG: 1009,
  TRY_AGAIN_LATER: 1013,
} as const;

/** A control frame's payload has at most 125 bytes (RFC 6455 §5.5); two of a close frame's are the code. */
export const MAX_CONTROL_PAYLOAD = 125;
export const MAX_CLOSE_REASON = MAX_CONTROL_PAYLOAD - 2;

/** Whether a close frame may carry `code` (RFC 6455 §7.4): registered codes, and 3000–4999 for applications. */
export function isSendableCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  return (
    code >= 1000 && code <= 1014 && code !== 1004 && code !== WireCode.NO_CODE && code !== WireCode.ABNORMAL
  );
}
