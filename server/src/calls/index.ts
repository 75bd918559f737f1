// Calls to a studio's functions: one HTTP POST in CloudEvents binary mode, its answer checked and bounded.
export { AddressGuard } from './address-guard.ts';
export { type CallEvent, Caller, type OpenReply } from './caller.ts';
export { DeadLetters } from './dead-letters.ts';
export { Signer, signingSecret } from './signature.ts';
