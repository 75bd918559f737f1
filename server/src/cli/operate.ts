import type { Command } from 'commander';
import type { DrainResult, HostView, Refusal, ReloadResult, RoomView } from '../control/index.ts';
import { deadlineSeconds, type ServiceOptions, withServiceOptions } from './options.ts';
import { formatBytes, formatTable, printResult } from './output.ts';
import { withProgress } from './progress.ts';
import { ServiceClient } from './service-client.ts';

const mostRoomsShown = 50;

/** `status`, `migrate`, `drain`, `reload`: what an operator asks of a running service. */
export function registerOperations(program: Command): void {
  withServiceOptions(program.command('status').description('show the hosts and rooms of a running service'))
    .addHelpText('after', examples('baton status', 'baton status --json | jq .hosts'))
    .action(status);
  withServiceOptions(
    program
      .command('migrate <roomId>')
      .description('move a live room to another host, its clients stay connected'),
  )
    .requiredOption('--to <host>', 'host to move it to')
    .addHelpText('after', examples('baton migrate Xk2p9QmLw --to h2'))
    .action(migrate);
  withServiceOptions(program.command('drain <host>').description('move all rooms off a host'))
    .option(
      '--deadline <seconds>',
      'give up on rooms that have not come to rest by then',
      deadlineSeconds,
      60,
    )
    .addHelpText('after', examples('baton drain h1', 'baton drain h1 --deadline 300 --json'))
    .action(drain);
  withServiceOptions(
    program
      .command('reload')
      .description('bring the code now on disk into service, with nobody disconnected'),
  )
    .option(
      '--keep-immovable',
      'let rooms that cannot move to the new code stay on their old host until they end',
    )
    .addHelpText('after', examples('baton reload', 'npm run build && baton reload --json'))
    .action(reload);
}

export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

async function status(options: ServiceOptions): Promise<void> {
  const service = await ServiceClient.find(options);
  const [hosts, rooms] = await Promise.all([service.hosts(), service.rooms()]);
  const clients = hosts.reduce((sum, host) => sum + host.clients, 0);
  const totals = { hosts: hosts.length, rooms: rooms.length, clients };
  printResult(options.json, { url: service.url, hosts, rooms, totals }, () =>
    [
      `${service.url}: ${hosts.length} hosts, ${rooms.length} rooms, ${clients} clients`,
      '',
      ...hostTable(hosts),
      '',
      ...roomTable(rooms),
    ]
      .join('\n')
      .trimEnd(),
  );
}

/** Also the live view of `baton start`. */
export function hostTable(hosts: HostView[]): string[] {
  const cells = hosts.map((host) => [
    host.id,
    String(host.pid),
    host.state,
    String(host.generation),
    String(host.rooms),
    String(host.clients),
    host.cpu === undefined ? '-' : `${Math.round(host.cpu * 100)} %`,
    formatBytes(host.memory),
    String(host.moves ?? '-'),
  ]);
  return formatTable(['HOST', 'PID', 'STATE', 'GEN', 'ROOMS', 'CLIENTS', 'CPU', 'MEMORY', 'MOVES'], cells);
}

function roomTable(rooms: RoomView[]): string[] {
  if (rooms.length === 0) return [];
  const cells = rooms
    .slice(0, mostRoomsShown)
    .map((room) => [room.roomId, room.name, room.host, String(room.epoch), String(room.clients)]);
  const more =
    rooms.length > mostRoomsShown ? [`… and ${rooms.length - mostRoomsShown} more (--json lists all)`] : [];
  return [...formatTable(['ROOM', 'NAME', 'HOST', 'EPOCH', 'CLIENTS'], cells), ...more];
}

async function migrate(roomId: string, options: ServiceOptions & { to: string }): Promise<void> {
  const service = await ServiceClient.find(options);
  const result = await withProgress(`moving ${roomId} to ${options.to}`, service.migrate(roomId, options.to));
  printResult(options.json, result, () => {
    const { from, to, clients, bytes, blackoutMs } = result;
    return `${roomId} moved from ${from} to ${to}: ${clients} clients, ${formatBytes(bytes)}, blackout ${blackoutMs.toFixed(1)} ms`;
  });
}

async function drain(host: string, options: ServiceOptions & { deadline: number }): Promise<void> {
  const service = await ServiceClient.find(options);
  const left = async () => {
    const view = (await service.hosts()).find(({ id }) => id === host);
    return view === undefined ? '' : `${view.rooms} rooms left`;
  };
  const result = await withProgress(`draining ${host}`, service.drain(host, options.deadline * 1000), left);
  printResult(options.json, result, () => `${host} drained: ${movedText(result)}`);
  failIfRefused(result);
}

async function reload(options: ServiceOptions & { keepImmovable?: true }): Promise<void> {
  const service = await ServiceClient.find(options);
  const states = async () => {
    const hosts = await service.hosts();
    return hosts.map(({ id, state, rooms }) => `${id} ${state} (${rooms})`).join(', ');
  };
  const result = await withProgress(
    'reloading',
    service.reload({ keepImmovable: options.keepImmovable }),
    states,
  );
  printResult(options.json, result, () => {
    const { generation, from, to } = result;
    return `generation ${generation} runs: ${from.join(', ')} replaced by ${to.join(', ')}; ${movedText(result)}`;
  });
  failIfRefused(result, options.keepImmovable);
}

function movedText(result: DrainResult | ReloadResult): string {
  return `${result.moved} of ${result.rooms} rooms moved in ${result.seconds.toFixed(2)} s`;
}

/** Rooms that stayed are a partial failure unless they may: the result is printed, the exit code is 1. */
function failIfRefused(result: { refused: Refusal[] }, mayStay = false): void {
  for (const { roomId, reason } of result.refused)
    process.stderr.write(`baton: ${roomId} stays: ${reason}\n`);
  if (result.refused.length > 0 && !mayStay) process.exitCode = 1;
}
