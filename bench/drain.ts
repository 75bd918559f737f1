// How long it takes to move every room off a host: 1,000 rooms of two players each.
import { Child } from './child.ts';
import { median, progress, type Report } from './report.ts';
import { startService } from './service.ts';

const FULL = { rooms: 1000, rounds: 3 };
const QUICK = { rooms: 4, rounds: 1 };
const SWARMS = 2;

/** @returns seconds */
async function drainOnce(rooms: number, note: (text: string) => void): Promise<number> {
  const service = await startService();
  const swarms = Array.from(
    { length: SWARMS },
    () => new Child('clients/swarm.ts', { execArgv: ['--disable-warning=ExperimentalWarning'] }),
  );
  try {
    const { api, port } = service;
    note(`${rooms} rooms with two players each`);
    const join = { port, dialect: 'colyseus', count: rooms / SWARMS, prefix: '' };
    await Promise.all(swarms.map((swarm) => swarm.call('pairs', join, 120_000)));
    const talk = { dialect: 'colyseus', kind: 'value', size: 16, hz: 1 };
    await Promise.all(swarms.map((swarm) => swarm.call('start', talk)));
    const full = new Set((await api.rooms()).map(({ host }) => host));
    if (full.size !== 1) throw new Error(`the rooms are on ${full.size} hosts`);
    const [host] = full;
    note(`draining ${host}`);
    const { refused, moved, seconds } = await api.drain(host!);
    if (moved !== rooms) throw new Error(`${moved} of ${rooms} rooms moved: ${refused[0]?.reason}`);
    const counts = await Promise.all(swarms.map((swarm) => swarm.call<{ closed: number }>('counts')));
    const closed = counts.reduce((sum, one) => sum + one.closed, 0);
    if (closed > 0) throw new Error(`${closed} clients lost their connection`);
    return seconds;
  } finally {
    await Promise.all(swarms.map((swarm) => swarm.stop()));
    await service.close();
  }
}

export async function drain(report: Report): Promise<void> {
  const { rooms, rounds } = report.quick ? QUICK : FULL;
  const seconds: number[] = [];
  for (let n = 1; n <= rounds; n++)
    seconds.push(await drainOnce(rooms, (text) => progress(`round ${n} of ${rounds}: ${text}`)));
  progress('');
  report.add(`${rooms} rooms, 2 clients each`, 'baton', median(seconds), 's');
}
