// Calls to a studio's functions: one HTTP POST in CloudEvents binary mode, its answer checked and bounded.
export { type CallEvent, Caller, type OpenReply } from './caller.ts';
