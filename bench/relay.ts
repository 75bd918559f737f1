// CPU time of the server process per message that one client sends and the other of its room, or link, gets.
import { setTimeout as after } from 'node:timers/promises';
import { Child } from './child.ts';
import { median, progress, type Report } from './report.ts';
import {
  atOnceSockets,
  batonSockets,
  colyseus,
  everyone,
  type Measured,
  type Subject,
  uws,
  ws,
} from './subjects.ts';

const SIZE = 64;
const FULL = { pairs: 100, rounds: 3, roundMs: 1500, warmUpMs: 700 };
const QUICK = { pairs: 2, rounds: 1, roundMs: 100, warmUpMs: 50 };
interface Case {
  name: string;
  hz: number;
  kind: 'bytes' | 'value';
  /** No two clients send at the same moment. */
  scatter?: boolean;
}
const CASES: Case[] = [
  { name: '60 Hz', hz: 60, kind: 'bytes' },
  { name: 'saturated', hz: 0, kind: 'bytes' },
  { name: '60 Hz one by one', hz: 60, kind: 'bytes', scatter: true },
];
const MSGPACK: Case = { name: '60 Hz msgpack', hz: 60, kind: 'value' };

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
  p50: number;
  p99: number;
}

/** @returns µs of the server's CPU per relayed message, in its own code and in the kernel */
async function round(
  { server, swarm, subject }: Running,
  { hz, kind, scatter }: Case,
  ms: number,
): Promise<Cpu> {
  await swarm.call('start', { dialect: subject.dialect, kind, size: SIZE, hz, scatter });
  await after(300);
  const mark = async () => {
    const [cpu, counts] = await Promise.all([
      server.call<{ user: number; system: number }>('cpuTimes'),
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
  const delays = await swarm.call<{ p50: number; p99: number }>('delays');
  return {
    ...delays,
    user: (end.cpu.user - before.cpu.user) / messages,
    system: (end.cpu.system - before.cpu.system) / messages,
  };
}

/** Two-player rooms that relay. */
export const relay = (report: Report) => compare(report, everyone, [...CASES, MSGPACK]);

/** Sockets that a function linked, against rooms of stock Colyseus and servers without rooms. */
export const linkRelay = (report: Report) =>
  compare(report, [batonSockets, atOnceSockets, colyseus, ws, uws], CASES);

async function compare(report: Report, subjects: Subject[], cases: Case[]): Promise<void> {
  const { pairs, rounds, roundMs, warmUpMs } = report.quick ? QUICK : FULL;
  const running: Running[] = [];
  try {
    for (const subject of subjects) {
      progress(`starting ${subject.name}`);
      const one = await launch(subject, pairs);
      if (one) running.push(one);
    }
    for (const one of cases) {
      const { name, kind, scatter } = one;
      // Raw servers do not know values; they take part where everyone relays bytes.
      const taking = running.filter(({ subject }) => kind === 'bytes' || subject.dialect === 'colyseus');
      for (const each of taking) await round(each, one, warmUpMs);
      const values = new Map(taking.map((each) => [each, [] as Cpu[]]));
      for (let n = 0; n < rounds; n++)
        for (const each of taking) {
          progress(`${name}: round ${n + 1} of ${rounds}, ${each.subject.name}`);
          values.get(each)!.push(await round(each, one, roundMs));
        }
      const unit = 'µs CPU/message';
      for (const [{ subject }, list] of values)
        report.add(name, subject.name, median(list.map(({ user, system }) => user + system)), unit);
      // Too short a time tells nothing of its parts: the kernel counts in ticks.
      for (const part of report.quick ? [] : (['user', 'system'] as const))
        for (const [{ subject }, list] of values)
          report.add(`${name} ${part}`, subject.name, median(list.map((cpu) => cpu[part])), unit);
      for (const part of scatter ? (['p50', 'p99'] as const) : [])
        for (const [{ subject }, list] of values)
          report.add(`${name} ${part}`, subject.name, median(list.map((cpu) => cpu[part])), 'ms');
    }
  } finally {
    progress('');
    await Promise.all(running.flatMap(({ server, swarm }) => [server.stop(), swarm.stop()]));
  }
}
