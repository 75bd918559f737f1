import { generateId } from '@colyseus/core';

/** In one piece: what generateId() answers is a chain of strings, one for each character, that lives as long as it. */
export const newId = (): string => Buffer.from(generateId(), 'latin1').toString('latin1');
