import { afterAll, beforeAll, describe } from '@jest/globals';
import type { Backend, StartBackend } from './backend.ts';
import { deadLetters } from './conformance/dead-letters.ts';
import { driver } from './conformance/driver.ts';
import { model } from './conformance/model.ts';
import { newest } from './conformance/newest.ts';
import { outage } from './conformance/outage.ts';
import { presence } from './conformance/presence.ts';
import { records } from './conformance/records.ts';
import { registry } from './conformance/registry.ts';
import { unhandled } from './conformance/unhandled.ts';

/** What every store must do, whatever keeps its data. */
export function conformance(start: StartBackend): void {
  describe('while it is there', () => {
    let backend: Backend | undefined;
    beforeAll(async () => {
      backend = await start();
    });
    afterAll(() => backend?.close());
    const space = () => backend!.space();

    describe('hosts and owners', () => registry(space));
    describe('records', () => records(space));
    describe('presence', () => presence(space));
    describe('room listings', () => driver(space));
    describe('dead letters', () => deadLetters(space));
    describe('newest entries of tenants', () => newest(space));
    describe('model', () => model(space));
  });
  describe('when it goes away', () => outage(start));
  describe('in a process of its own', () => unhandled(start));
}
