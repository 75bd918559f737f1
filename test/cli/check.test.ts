import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { atEnd, cleanUp } from '../supervisor/service.ts';
import { baton } from './command-line.ts';

afterEach(cleanUp);

const app = `
import { defineRoom, defineServer, Room } from '@colyseus/core';

class FineRoom extends Room {
  count = 0;
}
class StuckRoom extends Room {
  waiting = new Promise(() => {});
  beat: NodeJS.Timeout | undefined;
  override onCreate() {
    this.beat = setInterval(() => {}, 60_000);
  }
}
export default defineServer({ rooms: { fine: defineRoom(FineRoom), stuck: defineRoom(StuckRoom) } });
`;

test('baton check names the field and the timer that cannot move, and what to do: exit code 1', async () => {
  const artifacts = fileURLToPath(new URL('../artifacts/', import.meta.url));
  fs.mkdirSync(artifacts, { recursive: true });
  const folder = fs.mkdtempSync(path.join(artifacts, 'check-'));
  atEnd(() => fs.rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'app.config.ts');
  fs.writeFileSync(file, app);
  const { code, json } = await baton(['check', file, '--json']);
  expect(code).toBe(1);
  expect(json).toEqual({
    app: file,
    ok: false,
    rooms: [
      { name: 'fine', problems: [] },
      {
        name: 'stuck',
        problems: [
          { path: 'room.waiting', what: 'pending Promise', hint: expect.stringContaining('onRestoreRoom()') },
          { path: 'room.beat', what: 'Timeout', hint: expect.stringContaining('this.clock.setInterval()') },
        ],
      },
    ],
  });
  const people = await baton(['check', file]);
  expect(people.code).toBe(1);
  expect(people.stdout).toMatch(/^fine: can move$/m);
  expect(people.stdout).toMatch(/^stuck: cannot move\n {2}room\.waiting: .+\n {2}room\.beat: /m);
});
