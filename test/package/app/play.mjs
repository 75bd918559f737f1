// Plays in a room of the running service until its input ends; prints the room, then what it noticed, as JSON.
import { Client } from '@colyseus/sdk';

const room = await new Client(`http://127.0.0.1:${process.argv[2]}`).joinOrCreate('counter');
const seen = { added: 0, answers: [], state: 0, drops: 0, leaves: 0, errors: 0 };
let look = () => {};
room.onMessage('sum', (sum) => seen.answers.push(sum));
room.onMessage('*', () => {});
room.onStateChange((state) => {
  seen.state = state.value;
  look();
});
room.onDrop(() => seen.drops++);
room.onLeave(() => seen.leaves++);
room.onError(() => seen.errors++);
const timer = setInterval(() => {
  seen.added++;
  room.send('add', 1);
}, 10);
console.log(JSON.stringify({ roomId: room.roomId }));
for await (const _ of process.stdin);
clearInterval(timer);
const settled = new Promise((resolve) => {
  look = () => seen.answers.length === seen.added && seen.state === seen.added && resolve();
  look();
});
await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, 10_000))]);
console.log(JSON.stringify(seen));
await room.leave();
process.exit(0);
