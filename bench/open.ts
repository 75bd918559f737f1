// CPU time of the server process per socket that is opened, its function called, and per one that is closed.
import { setTimeout as after } from 'node:timers/promises';
import { Child } from './child.ts';
import { median, progress, type Report } from './report.ts';
import { batonSockets, colyseus } from './subjects.ts';

/** V8 still compiles in the first rounds, which do not count: a host lives longer than that. */
const FULL = { sockets: 1_000, warmUp: 4, rounds: 7 };
const QUICK = { sockets: 5, warmUp: 1, rounds: 1 };
/** What a server still does when the client has its answer belongs to it. */
const SETTLE_MS = 200;

/**
 * Baton: a WebSocket client, and a Colyseus client, on a mapping whose function answers on loopback; all sockets of a
 * round are held open. Stock Colyseus: a join without any function, and a leave.
 */
export async function open(report: Report): Promise<void> {
  const { sockets, warmUp, rounds } = report.quick ? QUICK : FULL;
  const running = [];
  try {
    const stock = (await colyseus.start())!;
    const swarm = () =>
      new Child('clients/swarm.ts', { execArgv: ['--disable-warning=ExperimentalWarning'] });
    const figures = () => ({ opens: [] as number[], closes: [] as number[] });
    running.push(
      {
        name: 'baton',
        ...(await batonSockets.start())!,
        swarm: swarm(),
        method: 'sockets',
        room: 'alone',
        ...figures(),
      },
      {
        name: 'baton, Colyseus client',
        ...(await batonSockets.start())!,
        swarm: swarm(),
        method: 'crowd',
        room: 'alone',
        ...figures(),
      },
      { name: 'colyseus', ...stock, swarm: swarm(), method: 'crowd', room: 'crowd', ...figures() },
    );
    for (let n = 1; n <= warmUp + rounds; n++)
      for (const { name, server, port, swarm, method, room, opens, closes } of running) {
        progress(`${name}: round ${n} of ${warmUp + rounds}`);
        const spent = async (work: () => Promise<unknown>) => {
          const before = await server.call<number>('cpu');
          await work();
          await after(SETTLE_MS);
          return ((await server.call<number>('cpu')) - before) / sockets;
        };
        const open = await spent(() => swarm.call(method, { port, room, count: sockets }));
        const close = await spent(() => swarm.call('leave'));
        if (n <= warmUp) continue;
        opens.push(open);
        closes.push(close);
      }
    for (const { name, opens } of running) report.add(`${sockets} opens`, name, median(opens), 'µs CPU/open');
    for (const { name, closes } of running)
      report.add(`${sockets} closes`, name, median(closes), 'µs CPU/close');
  } finally {
    progress('');
    await Promise.all(running.flatMap(({ server, swarm }) => [server.stop(), swarm.stop()]));
  }
}
