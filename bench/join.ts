// CPU time of the server process per player who joins: seat reservation by HTTP, upgrade, handshake, leave.
import { Child } from './child.ts';
import { median, progress, type Report } from './report.ts';
import { baton, colyseus } from './subjects.ts';

const JOINS = 500;
const ROUNDS = 5;

export async function join(report: Report): Promise<void> {
  const running = [];
  try {
    for (const subject of [baton, colyseus]) {
      const started = await subject.start();
      if (!started) continue;
      const swarm = new Child('clients/swarm.ts', { execArgv: ['--disable-warning=ExperimentalWarning'] });
      running.push({ subject, ...started, swarm, values: [] as number[] });
    }
    for (let n = 0; n <= ROUNDS; n++)
      for (const { subject, server, port, swarm, values } of running) {
        progress(`${subject.name}: round ${n} of ${ROUNDS}`);
        const before = await server.call<number>('cpu');
        await swarm.call('crowd', { port, room: 'crowd', count: JOINS });
        await swarm.call('leave');
        const spent = (await server.call<number>('cpu')) - before;
        // The first round compiles the code.
        if (n > 0) values.push(spent / JOINS);
      }
    for (const { subject, values } of running)
      report.add(`${JOINS} joins`, subject.name, median(values), 'µs CPU/join');
  } finally {
    progress('');
    await Promise.all(running.flatMap(({ server, swarm }) => [server.stop(), swarm.stop()]));
  }
}
