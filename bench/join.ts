// CPU time of the server process per player who joins: seat reservation by HTTP, upgrade, handshake, leave.
import { Child } from './child.ts';
import { median, progress, type Report } from './report.ts';
import { baton, colyseus } from './subjects.ts';

const FULL = { joins: 500, rounds: 5 };
const QUICK = { joins: 5, rounds: 1 };

export async function join(report: Report): Promise<void> {
  const { joins, rounds } = report.quick ? QUICK : FULL;
  const running = [];
  try {
    for (const subject of [baton, colyseus]) {
      const started = await subject.start();
      if (!started) continue;
      const swarm = new Child('clients/swarm.ts', { execArgv: ['--disable-warning=ExperimentalWarning'] });
      running.push({ subject, ...started, swarm, values: [] as number[] });
    }
    for (let n = 0; n <= rounds; n++)
      for (const { subject, server, port, swarm, values } of running) {
        progress(`${subject.name}: round ${n} of ${rounds}`);
        const before = await server.call<number>('cpu');
        await swarm.call('crowd', { port, room: 'crowd', count: joins });
        await swarm.call('leave');
        const spent = (await server.call<number>('cpu')) - before;
        // The first round compiles the code.
        if (n > 0) values.push(spent / joins);
      }
    for (const { subject, values } of running)
      report.add(`${joins} joins`, subject.name, median(values), 'µs CPU/join');
  } finally {
    progress('');
    await Promise.all(running.flatMap(({ server, swarm }) => [server.stop(), swarm.stop()]));
  }
}
