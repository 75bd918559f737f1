// The server's side of the WebSocket protocol (RFC 6455) as pure functions over bytes. Reading can stop, be
// saved and go on elsewhere between any two bytes; no socket is near it.

export { isSendableCode, MAX_CLOSE_REASON, Opcode, WireCode } from './protocol.ts';
export { FrameReader, type FrameSink, type ReaderLimits, type ReaderState } from './reader.ts';
export { closePayload, encodeFrame, headerSize, putHeader } from './writer.ts';
