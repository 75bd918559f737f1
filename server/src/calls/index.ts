// Calls to a studio's functions: one HTTP POST in CloudEvents binary mode, its answer checked and bounded.
export { AddressGuard } from './address-guard.ts';
export { Caller } from './caller.ts';
export { type DeadLetter, DeadLetters } from './dead-letters.ts';
export type { Endpoint } from './delivery.ts';
export { type CallEvent, encodeAttributes, headersOf, MAX_ATTRIBUTES_BYTES } from './event.ts';
export { InvalidReply, type Reply, readReply, replySchema, wishFields } from './reply.ts';
export { Signer, signingSecret } from './signature.ts';
export type { FunctionHosts } from './targets.ts';
