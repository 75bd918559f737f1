// CPU time of the server process per socket that is opened, its function called, and closed again.
import { Child } from './child.ts';
import { median, progress, type Report } from './report.ts';
import { batonSockets, colyseus } from './subjects.ts';

const FULL = { opens: 500, rounds: 5 };
const QUICK = { opens: 5, rounds: 1 };

/**
 * Baton: a WebSocket client, and a Colyseus client, on a mapping whose function answers on loopback. Stock Colyseus: a
 * join without any function.
 */
export async function open(report: Report): Promise<void> {
  const { opens, rounds } = report.quick ? QUICK : FULL;
  const running = [];
  try {
    const ours = (await batonSockets.start())!;
    const stock = (await colyseus.start())!;
    const swarm = () =>
      new Child('clients/swarm.ts', { execArgv: ['--disable-warning=ExperimentalWarning'] });
    running.push(
      { name: 'baton', ...ours, swarm: swarm(), method: 'sockets', room: 'alone' },
      { name: 'baton, Colyseus client', ...ours, swarm: swarm(), method: 'crowd', room: 'alone' },
      { name: 'colyseus', ...stock, swarm: swarm(), method: 'crowd', room: 'crowd' },
    );
    const values = new Map(running.map(({ name }) => [name, [] as number[]]));
    for (let n = 0; n <= rounds; n++)
      for (const { name, server, port, swarm, method, room } of running) {
        progress(`${name}: round ${n} of ${rounds}`);
        const before = await server.call<number>('cpu');
        await swarm.call(method, { port, room, count: opens });
        await swarm.call('leave');
        const spent = (await server.call<number>('cpu')) - before;
        // The first round compiles the code.
        if (n > 0) values.get(name)!.push(spent / opens);
      }
    for (const [name, list] of values) report.add(`${opens} opens`, name, median(list), 'µs CPU/open');
  } finally {
    progress('');
    await Promise.all(running.flatMap(({ server, swarm }) => [server.stop(), swarm.stop()]));
  }
}
