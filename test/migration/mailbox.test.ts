// What a room that moves handles of its topics' messages, in every order in which message, cut and hand-over may come.
import { LocalDriver, LocalPresence, matchMaker, Room } from '@colyseus/core';
import { describe, expect, jest, test } from '@jest/globals';
import { gateDriver, gatePresence, installHooks } from '../../server/src/migration/index.ts';
import { freezeRoom } from '../../server/src/migration/room/capture.ts';
import { Mailbox } from '../../server/src/migration/room/mailbox.ts';
import { discardRoom, thawRoom } from '../../server/src/migration/room/shell.ts';
import { Random } from './schema/random.ts';

const seed = Number(process.env['BATON_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const micros = () => Number(process.hrtime.bigint() / 1000n);

/** One host: a mailbox that notes what it handles, and the listener of its only subscription. */
function host(topic = 't') {
  const handled: unknown[] = [];
  const mailbox = new Mailbox((callback, message) => void callback(message));
  const listener = mailbox.add(topic, (message) => handled.push(message));
  return { mailbox, listener, handled };
}

describe('a mailbox', () => {
  test('gives messages straight to a room that runs', () => {
    const { mailbox, listener, handled } = host();
    mailbox.reopen();
    listener(1);
    expect(handled).toEqual([1]);
  });

  test('keeps them for a room that is still, and gives them first when it goes on', () => {
    const { mailbox, listener, handled } = host();
    mailbox.reopen();
    listener(1);
    mailbox.close();
    listener(2);
    listener(3);
    expect(handled).toEqual([1]);
    mailbox.reopen();
    listener(4);
    expect(handled).toEqual([1, 2, 3, 4]);
  });

  test('one callback that throws does not keep the others from theirs', () => {
    const handled: unknown[] = [];
    const mailbox = new Mailbox((callback, message) => void callback(message));
    const listener = mailbox.add('t', (message) => {
      if (message === 1) throw new Error('no');
      handled.push(message);
    });
    listener(1);
    listener(2);
    const logged = jest.spyOn(console, 'error').mockImplementation(() => {});
    mailbox.reopen();
    expect(handled).toEqual([2]);
    expect(logged.mock.calls.join()).toContain('no');
    logged.mockRestore();
  });

  test('tells two subscriptions to one topic apart', async () => {
    const from = new Mailbox((callback, message) => void callback(message));
    from.add('t', () => {});
    const second = from.add('t', () => {});
    second('x');
    from.cut();
    const to = new Mailbox((callback, message) => void callback(message));
    const handled: unknown[] = [];
    to.add('t', (message) => handled.push(['first', message]));
    to.add('t', (message) => handled.push(['second', message]));
    to.cut();
    to.take(await from.upToCut());
    await to.arrive(micros());
    expect(handled).toEqual([['second', 'x']]);
  });
});

describe(`a move (seed ${seed})`, () => {
  test('has each message handled once and in order, wherever the cut falls', async () => {
    const random = new Random(seed);
    for (let round = 0; round < 300; round++) {
      const source = host();
      const target = host();
      source.mailbox.reopen();
      // one order for all: messages and the cut; each host sees it at its own pace
      const length = 5 + random.int(10);
      const cutAt = random.int(length + 1);
      const order: (number | 'cut')[] = Array.from({ length }, (_, i) => i % 3); // equal messages, too
      order.splice(cutAt, 0, 'cut');
      const subscribedAt = random.int(cutAt + 1);
      const frozenAt = random.int(cutAt + 1);
      const see = (side: ReturnType<typeof host>, what: number | 'cut') =>
        what === 'cut' ? side.mailbox.cut() : side.listener(what);
      for (const what of order.slice(0, frozenAt)) see(source, what);
      source.mailbox.close();
      const still = micros();
      const handOver = source.mailbox.upToCut();
      let arrival: Promise<void> | undefined;
      const targets = order.slice(subscribedAt);
      const sources = order.slice(frozenAt);
      while (sources.length + targets.length > 0 || !arrival) {
        const choice = random.int(3);
        if (choice === 0 && sources.length > 0) see(source, sources.shift()!);
        else if (choice === 1 && targets.length > 0) see(target, targets.shift()!);
        else if (choice === 2 && !arrival) {
          arrival = target.mailbox.arrive(still);
          handOver.then((letters) => target.mailbox.take(letters));
        } else await Promise.resolve();
      }
      await arrival;
      const messages = order.filter((what) => what !== 'cut');
      expect([...source.handled, ...target.handled]).toEqual(messages);
    }
  });

  test('goes by the time when the source died before it handed over', async () => {
    const { mailbox, listener, handled } = host();
    listener('handled there');
    await new Promise((resolve) => setTimeout(resolve, 2));
    const frozenAt = micros();
    listener('came while it was still');
    mailbox.cut();
    listener('came later');
    const arrival = mailbox.arrive(frozenAt);
    listener('came even later');
    expect(handled).toEqual([]);
    await arrival;
    expect(handled).toEqual(['came while it was still', 'came later', 'came even later']);
  });

  test('goes by time and content when the cut got lost', async () => {
    const { mailbox, listener, handled } = host();
    listener('handled there');
    await new Promise((resolve) => setTimeout(resolve, 2));
    const frozenAt = micros();
    for (const message of ['a', 'a', 'b', 'a']) listener(message);
    mailbox.take([
      { subscription: 't 0', message: 'a' },
      { subscription: 't 0', message: 'a' },
    ]);
    await mailbox.arrive(frozenAt);
    expect(handled).toEqual(['a', 'a', 'b', 'a']);
  });

  test('keeps a bounded number of messages, the newest', async () => {
    const { mailbox, listener, handled } = host();
    for (let i = 0; i < 10_010; i++) listener(i);
    mailbox.reopen();
    expect(handled).toHaveLength(10_000);
    expect(handled[0]).toBe(10);
  });
});

describe('the gate', () => {
  test('takes a cut that comes late for what it is: that of a transfer which did not happen', async () => {
    installHooks();
    const stock = new LocalPresence();
    const gate = gatePresence(stock);
    await matchMaker.setup(gate.presence, new LocalDriver());
    const handled: unknown[] = [];
    class Listening extends Room {
      override async onCreate(): Promise<void> {
        await this.presence.subscribe('topic', (message: unknown) => handled.push(message));
      }
    }
    matchMaker.defineRoomType('listening', Listening);
    const { roomId } = await matchMaker.handleCreateRoom('listening', {});
    const room = matchMaker.getLocalRoomById(roomId) as Room;
    freezeRoom(room);
    gate.expectCut('first', room);
    gate.undivert(roomId);
    thawRoom(room);
    freezeRoom(room);
    gate.expectCut('second', room);
    stock.publish('baton:cut', ['first', [roomId]]);
    stock.publish('topic', 'while it was still');
    stock.publish('baton:cut', ['second', [roomId]]);
    expect(handled).toEqual([]);
    const letters = await gate.handOver(room);
    expect(letters!.map(({ message }) => message)).toEqual(['while it was still']);
    discardRoom(room, { driver: gateDriver(new LocalDriver(), {} as never), presence: gate });
    await matchMaker.gracefullyShutdown();
  });
});
