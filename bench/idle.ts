// Memory of the server process per client that sits in a room, or per hosted socket, and does nothing.
import { setTimeout as after } from 'node:timers/promises';
import { Child } from './child.ts';
import { median, progress, type Report } from './report.ts';
import { baton, batonSockets, colyseus, type Measured, type Subject } from './subjects.ts';

const FULL = { clients: 2000, first: 200, rounds: 3 };
const QUICK = { clients: 20, first: 2, rounds: 1 };

interface Memory {
  rss: number;
  inUse: number;
}

/** Memory has settled when another collection frees next to nothing. */
async function settled(server: Measured): Promise<Memory> {
  let rss = await server.call<number>('memory');
  for (let n = 0; n < 10; n++) {
    await after(500);
    const now = await server.call<number>('memory');
    const freed = Math.abs(rss - now);
    rss = now;
    if (freed < 512 * 1024) break;
  }
  return { rss, inUse: await server.call<number>('memoryInUse') };
}

/** @returns bytes per client, in a fresh process */
async function measure(subject: Subject, first: number, clients: number): Promise<Memory> {
  const { server, port } = (await subject.start(true))!;
  const swarm = new Child('clients/swarm.ts', { execArgv: ['--disable-warning=ExperimentalWarning'] });
  try {
    // Code is compiled before the first measurement.
    const [method, room] = subject.mapping ? ['sockets', 'alone'] : ['crowd', 'crowd'];
    await swarm.call(method!, { port, room, count: first });
    const before = await settled(server);
    await swarm.call(method!, { port, room, count: clients }, 120_000);
    const end = await settled(server);
    const { closed } = await swarm.call<{ closed: number }>('counts');
    if (closed > 0) throw new Error(`${subject.name}: ${closed} clients lost their connection`);
    return { rss: (end.rss - before.rss) / clients, inUse: (end.inUse - before.inUse) / clients };
  } finally {
    await Promise.all([server.stop(), swarm.stop()]);
  }
}

export async function idle(report: Report): Promise<void> {
  const { clients, first, rounds } = report.quick ? QUICK : FULL;
  const subjects = [baton, colyseus, batonSockets].map((subject) => ({ subject, values: [] as Memory[] }));
  for (let n = 0; n < rounds; n++)
    for (const { subject, values } of subjects) {
      progress(`${subject.name}: ${clients} clients, round ${n + 1} of ${rounds}`);
      values.push(await measure(subject, first, clients));
    }
  progress('');
  for (const { subject, values } of subjects) {
    const kib = (pick: (memory: Memory) => number) => median(values.map(pick)) / 1024;
    const what = `${clients} ${subject.mapping ? 'hosted sockets' : 'clients'}`;
    const unit = subject.mapping ? 'KiB/socket' : 'KiB/client';
    report.add(
      what,
      subject.name,
      kib(({ inUse }) => inUse),
      unit,
    );
    report.add(
      `${what} RSS`,
      subject.name,
      kib(({ rss }) => rss),
      unit,
    );
  }
}
