// CPU time of the server process per message that one client sends and the other of its room, or link, gets.
import { setTimeout as after } from 'node:timers/promises';
import { Child } from './child.ts';
import { median, progress, type Report } from './report.ts';
import { batonSockets, colyseus, everyone, type Measured, type Subject, uws, ws } from './subjects.ts';

const SIZE = 64;
const FULL = { pairs: 100, rounds: 3, roundMs: 1500, warmUpMs: 700 };
const QUICK = { pairs: 2, rounds: 1, roundMs: 100, warmUpMs: 50 };
const CASES = [
  { name: '60 Hz', hz: 60, kind: 'bytes' },
  { name: 'saturated', hz: 0, kind: 'bytes' },
  { name: '60 Hz msgpack', hz: 60, kind: 'value' },
];

interface Running {
  subject: Subject;
  server: Measured;
  swarm: Child;
}

async function launch(subject: Subject, count: number): Promise<Running | undefined> {
  const started = await subject.start();
  if (!started) return undefined;
  const swarm = new Child('clients/swarm.ts', { execArgv: ['--disable-warning=ExperimentalWarning'] });
  const { port } = started;
  const { dialect, name: prefix, mapping } = subject;
  await swarm.call('pairs', { port, dialect, count, prefix, mapping });
  return { subject, server: started.server, swarm };
}

interface Cpu {
  user: number;
  system: number;
}

/** @returns µs of the server's CPU per relayed message, in its own code and in the kernel */
async function round(
  { server, swarm, subject }: Running,
  hz: number,
  kind: string,
  ms: number,
): Promise<Cpu> {
  await swarm.call('start', { dialect: subject.dialect, kind, size: SIZE, hz });
  await after(300);
  const mark = async () => {
    const [cpu, counts] = await Promise.all([
      server.call<Cpu>('cpuTimes'),
      swarm.call<{ received: number; closed: number }>('counts'),
    ]);
    return { cpu, ...counts };
  };
  const before = await mark();
  await after(ms);
  const end = await mark();
  await swarm.call('stop');
  await after(200);
  if (end.closed > 0) throw new Error(`${subject.name}: ${end.closed} clients lost their connection`);
  const messages = end.received - before.received;
  return {
    user: (end.cpu.user - before.cpu.user) / messages,
    system: (end.cpu.system - before.cpu.system) / messages,
  };
}

/** Two-player rooms that relay. */
export const relay = (report: Report) => compare(report, everyone, CASES);

/** Sockets that a function linked, against rooms of stock Colyseus and servers without rooms. */
export const linkRelay = (report: Report) =>
  compare(report, [batonSockets, colyseus, ws, uws], CASES.slice(0, 2));

async function compare(report: Report, subjects: Subject[], cases: typeof CASES): Promise<void> {
  const { pairs, rounds, roundMs, warmUpMs } = report.quick ? QUICK : FULL;
  const running: Running[] = [];
  try {
    for (const subject of subjects) {
      progress(`starting ${subject.name}`);
      const one = await launch(subject, pairs);
      if (one) running.push(one);
    }
    for (const { name, hz, kind } of cases) {
      // Raw servers do not know values; they take part where everyone relays bytes.
      const taking = running.filter(({ subject }) => kind === 'bytes' || subject.dialect === 'colyseus');
      for (const one of taking) await round(one, hz, kind, warmUpMs);
      const values = new Map(taking.map((one) => [one, [] as Cpu[]]));
      for (let n = 0; n < rounds; n++)
        for (const one of taking) {
          progress(`${name}: round ${n + 1} of ${rounds}, ${one.subject.name}`);
          values.get(one)!.push(await round(one, hz, kind, roundMs));
        }
      const unit = 'µs CPU/message';
      for (const [{ subject }, list] of values)
        report.add(name, subject.name, median(list.map(({ user, system }) => user + system)), unit);
      // Too short a time tells nothing of its parts: the kernel counts in ticks.
      for (const part of report.quick ? [] : (['user', 'system'] as const))
        for (const [{ subject }, list] of values)
          report.add(`${name} ${part}`, subject.name, median(list.map((cpu) => cpu[part])), unit);
    }
  } finally {
    progress('');
    await Promise.all(running.flatMap(({ server, swarm }) => [server.stop(), swarm.stop()]));
  }
}
