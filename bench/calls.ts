// CPU time of the server process per message of a client that is told to a function, which answers with 204.
import { setTimeout as after } from 'node:timers/promises';
import { Child } from './child.ts';
import { median, progress, type Report } from './report.ts';
import { hostWithMappings, type Measured, naiveCaller, startFunctions } from './subjects.ts';

const SIZE = 64;
const HZ = 10;
const FULL = { clients: 200, rounds: 5, roundMs: 2000, bursts: 25, perBurst: 4 };
const QUICK = { clients: 4, rounds: 1, roundMs: 100, bursts: 2, perBurst: 2 };
/** How long the last calls of a round may take. */
const SETTLE_MS = 60_000;

interface Running {
  name: string;
  server: Measured;
  swarm: Child;
}

/** Baton signs each call and makes those of one socket one at a time; the other does neither. */
export async function calls(report: Report): Promise<void> {
  const { clients, rounds, roundMs, bursts, perBurst } = report.quick ? QUICK : FULL;
  const { functions, url } = await startFunctions();
  const running: Running[] = [];
  const received = () => functions.call<number>('received');
  /** Waits until the function has been told so many. */
  const told = async (count: number) => {
    const end = Date.now() + SETTLE_MS;
    while ((await received()) < count) {
      if (Date.now() > end) throw new Error(`${await received()} calls of ${count} came`);
      await after(2);
    }
  };
  /** @returns calls that were made meanwhile */
  const paced = async ({ swarm }: Running) => {
    const before = await received();
    await swarm.call('start', { dialect: 'raw', kind: 'bytes', size: SIZE, hz: HZ });
    await after(roundMs);
    await swarm.call('stop');
    await after(200);
    return (await received()) - before;
  };
  /** The next burst goes out when one is left, so that nobody waits for clients. */
  const saturated = async ({ swarm }: Running) => {
    const before = await received();
    let sent = 0;
    for (let n = 0; n < bursts; n++) {
      const more = await swarm.call<number>('burst', { size: SIZE, messages: perBurst });
      await told(before + sent);
      sent += more;
    }
    await told(before + sent);
    return sent;
  };
  try {
    const host = await hostWithMappings(url);
    const ours = { name: 'baton', server: host, swarm: newSwarm() };
    running.push(ours);
    await ours.swarm.call('sockets', { port: host.port, room: 'told', count: clients });
    const naive = { name: 'ws + undici', ...(await naiveCaller(url)), swarm: newSwarm() };
    running.push(naive);
    await naive.swarm.call('connections', { port: naive.port, count: clients });

    for (const [name, work] of [
      [`${HZ} Hz`, paced],
      ['saturated', saturated],
    ] as const) {
      const values = new Map(running.map((one) => [one, [] as number[]]));
      for (let n = 0; n <= rounds; n++)
        for (const [one, list] of values) {
          progress(`${name}: round ${n} of ${rounds}, ${one.name}`);
          const cpu = await one.server.call<number>('cpu');
          const count = await work(one);
          const spent = (await one.server.call<number>('cpu')) - cpu;
          // The first round compiles the code.
          if (n > 0) list.push(spent / count);
        }
      for (const [one, list] of values) report.add(name, one.name, median(list), 'µs CPU/call');
      if (work === saturated)
        for (const [one, list] of values)
          report.add('saturated, one core', one.name, 1_000_000 / median(list), 'calls/s of CPU');
    }
    for (const { name, swarm } of running) {
      const { closed } = await swarm.call<{ closed: number }>('counts');
      if (closed > 0) throw new Error(`${name}: ${closed} clients lost their connection`);
    }
  } finally {
    progress('');
    await Promise.all(running.flatMap(({ server, swarm }) => [server.stop(), swarm.stop()]));
    await functions.stop();
  }
}

const newSwarm = () => new Child('clients/swarm.ts', { execArgv: ['--disable-warning=ExperimentalWarning'] });
