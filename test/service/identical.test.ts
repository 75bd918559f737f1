// A room that moves between processes all the time sends, byte for byte, what a room that never moves sends.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { families } from '../migration/schema/families.ts';
import { Random } from '../migration/schema/random.ts';
import { RawClient } from '../support/raw-client.ts';
import { Service } from '../support/service.ts';

const app = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'families.config.ts');
const nightly = process.env['BATON_NIGHTLY'] === '1';
const MOVES = nightly ? 2_000 : 40;
const seed = Number(process.env['BATON_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

let service: Service;
beforeAll(async () => {
  service = await Service.start(app);
});
afterAll(() => service?.stop());

interface Table {
  clients: RawClient[];
  roomId: string;
}

/** Three clients: one without a view, two with. */
async function seat(name: string): Promise<Table> {
  const first = await RawClient.join(service.url, `create/${name}`, {});
  const others = [];
  for (let i = 0; i < 2; i++)
    others.push(await RawClient.join(service.url, `joinById/${first.roomId}`, { view: true }));
  const clients = [first, ...others];
  // every client has its first state before anything happens
  for (const client of clients) await client.next(1);
  return { clients, roomId: first.roomId };
}

/** Everything the clients got after joining, with what identifies one session taken out. */
async function settle({ clients }: Table): Promise<void> {
  const asker = clients[0]!;
  const before = asker.frames.length;
  asker.send('full', 0);
  let at = before;
  for (;;) {
    await asker.next(at);
    if (asker.frames.slice(before).some((frame) => frame.includes('done'))) return;
    at = asker.frames.length;
  }
}

for (const [i, family] of families.entries()) {
  test(
    `${family.name}: ${MOVES} moves, seed ${seed}`,
    async () => {
      const random = new Random(seed + i);
      const moved = await seat(`family${i}`);
      const still = await seat(`family${i}`);
      for (let move = 0; move < MOVES; move++) {
        for (let n = random.int(4); n >= 0; n--) {
          const command = random.chance(0.3) ? 'patch' : 'act';
          const value = random.int(2 ** 31);
          for (const table of [moved, still]) table.clients[0]!.send(command, value);
        }
        await settle(moved);
        await settle(still);
        await service.moveAway(moved.roomId);
        // a move sends what is due; the room that stays does so here
        still.clients[0]!.send('patch', 0);
        await settle(moved);
        await settle(still);
        compare(moved, still, `move ${move}, seed ${seed}`);
      }
      for (const table of [moved, still]) for (const client of table.clients) client.close();
    },
    nightly ? 1_800_000 : 60_000,
  );
}

/** The first frame carries the client's own reconnection token. */
function compare(moved: Table, still: Table, where: string): void {
  moved.clients.forEach((client, i) => {
    const a = client.frames.slice(1).map((frame) => frame.toString('hex'));
    const b = still.clients[i]!.frames.slice(1).map((frame) => frame.toString('hex'));
    const differs = a.findIndex((frame, at) => frame !== b[at]);
    if (differs >= 0 || a.length !== b.length) {
      expect({ where, client: i, frame: differs, hex: a[differs], frames: a.length }).toEqual({
        where,
        client: i,
        frame: differs,
        hex: b[differs],
        frames: b.length,
      });
    }
    client.frames.splice(1);
    still.clients[i]!.frames.splice(1);
  });
}
