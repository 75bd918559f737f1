// Players of one room in a process of their own, so that only they trust the proxy's certificate
// (NODE_EXTRA_CA_CERTS). They play from the start; what is asked over IPC is answered over IPC.
import { Client } from '@colyseus/sdk';
import { Player } from '../support/player.ts';
import { until } from '../support/service.ts';

const url = process.argv[2]!;
const players = [await Player.join(url, 'where-from', {}, 'create')];
const { roomId } = players[0]!.room;
players.push(await Player.joinById(url, roomId));
for (const player of players) player.play(5);

const commands: Record<string, () => Promise<unknown>> = {
  /** The address that the room takes this player to come from. */
  from: () => players[1]!.ask('from?', null, 'from'),
  /** Another player joins, gets an answer and leaves. */
  async guest() {
    const guest = await Player.joinById(url, roomId);
    guest.ping();
    await until(() => guest.pongs.length === 1, 'the answer');
    await guest.leave();
    return guest.leaves;
  },
  /** Joins with headers as a client would that lies about its address. */
  async liar() {
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-real-ip': '203.0.113.7' };
    const guest = await new Client(url, { headers }).joinById(roomId);
    guest.onMessage('*', () => {});
    const from = new Promise((resolve) => guest.onMessage('from', resolve));
    guest.send('from?');
    const answer = await from;
    await guest.leave();
    return answer;
  },
  async end() {
    for (const player of players) player.rest();
    for (const player of players) await until(() => player.pongs.length === player.sent, 'every answer');
    const seen = players.map(({ sent, ticks }) => ({ sent, ticks: ticks.length }));
    const complaints = players.flatMap((player) => player.complaints());
    await Promise.all(players.map((player) => player.leave()));
    return { complaints, seen };
  },
};

process.on('message', async (command: string) => {
  try {
    process.send!({ command, result: await commands[command]!() });
  } catch (error) {
    process.send!({ command, error: String((error as Error).stack ?? error) });
  }
});
process.on('disconnect', () => process.exit(0));
process.send!({ command: 'ready', result: roomId });
