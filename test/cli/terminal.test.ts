// The arena on real hosts, started and operated from a terminal.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@colyseus/sdk';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cleanUp, isAlive, tempDir } from '../supervisor/service.ts';
import { noticed } from '../support/noticed.ts';
import { CommandLine, launcher } from './command-line.ts';
import { Terminal } from './terminal.ts';

const app = fileURLToPath(new URL('../../examples/arena/app.config.ts', import.meta.url));
const baton = `"${process.execPath}" "${launcher}"`;

let terminal: Terminal;
let runtimeDir: string;

beforeAll(async () => {
  runtimeDir = path.join(tempDir(), 'run');
  const start = `${baton} start "${app}" --port 0 --host 127.0.0.1 --runtime-dir ${runtimeDir}`;
  // The shell lives through Ctrl-C, to tell what the command left behind.
  terminal = new Terminal(`trap : INT; stty cols 100 rows 30; stty -g; ${start}; echo "code $?"; stty -g`);
  await terminal.until(() => upHosts().length === 2);
});
afterAll(cleanUp);

/** The table of the live view: id and pid of the hosts that are up. */
function upHosts(): { id: string; pid: number }[] {
  const { lines } = terminal;
  const table = lines.slice(lines.findIndex((line) => line.startsWith('HOST ')) + 1);
  return table.flatMap((line) => {
    const [, id, pid] = /^(h\d+) +(\d+) +up /.exec(line) ?? [];
    return id === undefined ? [] : [{ id, pid: Number(pid) }];
  });
}

/** A command to its end: the JSON object it prints. */
async function json(...args: string[]): Promise<any> {
  const all = [...args, '--json', '--runtime-dir', runtimeDir];
  const { code, stderr, json: result } = await new CommandLine(all, { command: [launcher] }).outcome;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return result;
}

test('the live view draws the hosts below the log', () => {
  const { lines } = terminal;
  const title = lines.findIndex((line) => /^Baton at http:\/\/127\.0\.0\.1:\d+$/.test(line));
  expect(lines.slice(title + 1, title + 2)).toEqual([
    expect.stringMatching(/^HOST +PID +STATE +GEN +ROOMS +CLIENTS +CPU +MEMORY +MOVES$/),
  ]);
  expect(upHosts().map(({ pid }) => isAlive(pid))).toEqual([true, true]);
  expect(lines.slice(0, title).join('\n')).toContain('service is ready');
  expect(lines.filter((line) => line.startsWith('HOST '))).toHaveLength(1);
});

test('migrate and drain of a room with players print these keys, and the view follows', async () => {
  const url = (await json('status')).url;
  const room = await new Client(url).create('arena');
  const seen = noticed(room);
  room.onMessage('*', () => {});
  const { rooms, hosts } = await json('status');
  const from = rooms[0].host;
  const to = hosts.find(({ id }: { id: string }) => id !== from).id;
  const move = await json('migrate', room.roomId, '--to', to);
  expect(move).toEqual({
    roomId: room.roomId,
    from,
    to,
    epoch: 2,
    clients: 1,
    bytes: expect.any(Number),
    blackoutMs: expect.any(Number),
    phases: {
      prepare: expect.any(Number),
      quiesce: expect.any(Number),
      freeze: expect.any(Number),
      transfer: expect.any(Number),
      restore: expect.any(Number),
      switch: expect.any(Number),
    },
  });
  const drained = { host: to, rooms: 1, clients: 1, moved: 1, refused: [], seconds: expect.any(Number) };
  expect(await json('drain', to)).toEqual(drained);
  // Another host takes the drained one's seat.
  await terminal.until(() => upHosts().some(({ id }) => id === 'h3') && upHosts().length === 2);
  expect(upHosts().map(({ id }) => id)).not.toContain(to);
  expect(seen).toEqual([]);
  await room.leave();
});

test('progress of a command takes the last line and leaves it to the result', async () => {
  const reload = new Terminal(`${baton} reload --runtime-dir ${runtimeDir}`);
  expect(await reload.ended).toBe(0);
  expect(reload.output).toMatch(/⠙ reloading .* \d+\.\d s/);
  expect(reload.lines.filter((line) => line !== '')).toEqual([
    expect.stringMatching(/^generation 2 runs: h\d, h\d replaced by h\d, h\d; 0 of 0 rooms moved in /),
  ]);
});

test('Ctrl-C ends the service and its hosts, and leaves the terminal as it was', async () => {
  const hosts = upHosts();
  terminal.type('\x03');
  await terminal.ended;
  const { lines, output } = terminal;
  const said = lines.filter((line) => line !== '');
  expect(said.at(-2)).toBe('code 0');
  expect(said.at(-1)).toBe(said[0]);
  expect(hosts.filter(({ pid }) => isAlive(pid))).toEqual([]);
  // No other screen, no hidden cursor, no mouse.
  expect(output).not.toMatch(/\x1b\[\?/);
});
