// As the documentation of @colyseus/loadtest has it.
import { cli, type Options } from '@colyseus/loadtest';
import { Client } from '@colyseus/sdk';

async function main(options: Options): Promise<void> {
  const client = new Client(options.endpoint);
  const room = await client.joinOrCreate(options.roomName);
  room.onMessage('*', () => {});
  room.onLeave((code) => console.log(`left with ${code}`));
}

cli(main);
