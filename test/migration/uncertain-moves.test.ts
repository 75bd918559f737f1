// Who runs a room when nobody answered the commit: what registry and target say, in every combination that may be.
import { afterEach, describe, expect, test } from '@jest/globals';
import { handoffPeerGone, handoffTimeout, storeUnavailable } from '../../server/src/errors.ts';
import type { MoveContext } from '../../server/src/migration/move/context.ts';
import { Ownership } from '../../server/src/migration/move/ownership.ts';
import { askWhoRuns } from '../../server/src/migration/move/uncertain.ts';
import { Registry } from '../../server/src/store/embedded/registry.ts';
import type { HostRecord, Store } from '../../server/src/store/index.ts';
import { silentLog } from '../../server/src/telemetry/index.ts';
import { until } from '../support/service.ts';

const LEASE = 60_000;
const host = (id: string) => ({ id, processId: id, handoffPath: `/${id}` }) as HostRecord;

/** A registry with a source that has a room and a target, a store that reaches it or not, a target that answers or not. */
class Scene {
  now = 0;
  registry = new Registry(() => this.now);
  /** What becomes of a step: it is taken, taken without an answer, or not taken. */
  store: 'there' | 'mute' | 'away' = 'there';
  answers: (() => unknown)[] = [];
  asked = 0;
  readonly ownership: Ownership;
  readonly context: MoveContext;

  constructor() {
    for (const id of ['source', 'target', 'third']) this.registry.putHost(host(id), LEASE);
    const step = async <T>(take: () => T): Promise<T> => {
      if (this.store === 'away') throw storeUnavailable({ reason: 'it is away' });
      const result = take();
      if (this.store === 'there') return result;
      this.store = 'there';
      throw storeUnavailable({ reason: 'it does not answer' });
    };
    const store = {
      connected: true,
      transfer: (moves: never) => step(() => this.registry.transfer(moves)),
      claim: (room: string, id: string, epoch = 1) => step(() => this.registry.claim(room, id, epoch)),
      owner: (room: string) => step(() => this.registry.owner(room)),
      release: (room: string, id: string, epoch: number) =>
        step(() => this.registry.release(room, id, epoch)),
    } as unknown as Store;
    this.ownership = new Ownership(store, 'source', silentLog);
    const handoff = {
      call: async () => {
        this.asked++;
        const [answer] = this.answers.length > 1 ? this.answers.splice(0, 1) : this.answers;
        return answer!();
      },
    };
    this.context = { host: 'source', ownership: this.ownership, handoff, log: silentLog } as never;
  }

  async begin(): Promise<this> {
    await this.ownership.created('room');
    return this;
  }

  /** The target's switch, at the epoch at which the source had the room. */
  switch(): void {
    this.registry.transfer([{ roomId: 'room', from: 'source', epoch: 1, to: 'target' }]);
  }

  ask(error: unknown = new Error('no answer')) {
    return askWhoRuns(
      this.context,
      { transferId: 'transfer', roomId: 'room', target: host('target') },
      error,
    );
  }
}

const says = (answer: unknown) => () => answer;
const peerGone = (reason: string) => () => {
  throw handoffPeerGone({ peer: '/target', method: 'outcome', reason, delivered: false });
};
const DEAD = peerGone('ECONNREFUSED');
const BROKEN = peerGone('it closed the connection');
const SILENT = () => {
  throw handoffTimeout({ peer: '/target', method: 'outcome', ms: 1, delivered: true });
};

describe('a commit without an answer', () => {
  test('that was not delivered: the source has the room, nobody need be asked', async () => {
    const scene = await new Scene().begin();
    scene.store = 'away';
    const error = handoffPeerGone({ peer: '/target', method: 'commit', reason: 'gone', delivered: false });
    expect(await scene.ask(error)).toEqual({ runs: 'source', unsettled: false });
  });

  test('that did not switch the room: the source has it, and the switch cannot be made any more', async () => {
    const scene = await new Scene().begin();
    scene.answers = [SILENT];
    expect(await scene.ask()).toEqual({ runs: 'source', unsettled: false });
    scene.switch();
    expect(scene.registry.owner('room')).toEqual({ roomId: 'room', host: 'source', epoch: 2 });
    expect(scene.ownership.epoch('room')).toBe(2);
  });

  test('the source fenced it off, but did not hear so: it has the room all the same', async () => {
    const scene = await new Scene().begin();
    scene.store = 'mute';
    scene.answers = [SILENT];
    expect(await scene.ask()).toEqual({ runs: 'source', unsettled: false });
    expect(scene.ownership.epoch('room')).toBe(2);
  });

  test.each([
    ['the target runs it', [says('active')], { runs: 'target' }],
    ['the target is at it', [says('committing'), says('active')], { runs: 'target' }],
    ['the target is slow', [SILENT, BROKEN, says('active')], { runs: 'target' }],
    ['the target gave it up after the switch', [says('discarded')], { runs: 'source', unsettled: true }],
    ['the target is dead', [BROKEN, DEAD], { runs: 'nobody', dead: true }],
  ])('it was switched, and %s', async (_what, answers, verdict) => {
    const scene = await new Scene().begin();
    scene.switch();
    scene.answers = answers;
    expect(await scene.ask()).toEqual(verdict);
  });

  test('the target took it over, and on to a third host', async () => {
    const scene = await new Scene().begin();
    scene.switch();
    scene.registry.transfer([{ roomId: 'room', from: 'target', epoch: 2, to: 'third' }]);
    scene.answers = [DEAD];
    expect(await scene.ask()).toEqual({ runs: 'target' });
  });

  test.each([
    ['runs it', [SILENT, says('active')], { runs: 'target' }],
    ['gave it up', [SILENT, says('discarded')], { runs: 'source', unsettled: true }],
    ['is dead', [SILENT, DEAD], { runs: 'nobody', dead: true }],
  ])('the lease of the target ran out, which then %s', async (_what, answers, verdict) => {
    const scene = await new Scene().begin();
    scene.switch();
    scene.registry.removeHost('target');
    scene.answers = answers;
    expect(await scene.ask()).toEqual(verdict);
  });

  test.each([
    ['runs it', says('active'), { runs: 'target' }],
    ['gave it up', says('discarded'), { runs: 'source', unsettled: true }],
    ['is dead', DEAD, { runs: 'source', unsettled: true }],
  ])('the store is away, and the target %s', async (_what, answer, verdict) => {
    const scene = await new Scene().begin();
    scene.store = 'away';
    scene.answers = [BROKEN, answer];
    expect(await scene.ask()).toEqual(verdict);
  });

  test("while the source's own lease has run out, nothing is decided", async () => {
    const scene = await new Scene().begin();
    scene.now = 2 * LEASE;
    scene.registry.putHost(host('target'), LEASE); // the store was not away
    scene.registry.putHost(host('target'), LEASE);
    scene.now = 4 * LEASE;
    expect(await scene.ownership.fence('room', 'target')).toBe('undecided');
    scene.registry.putHost(host('source'), LEASE);
    expect(await scene.ownership.fence('room', 'target')).toBe('kept');
  });
});

describe('putting the registry right', () => {
  const scenes: Scene[] = [];
  const begin = async () => {
    const scene = await new Scene().begin();
    scenes.push(scene);
    return scene;
  };
  const done = (scene: Scene) => until(() => !scene.ownership.reclaiming('room'), 'the registry');
  afterEach(async () => {
    for (const scene of scenes.splice(0)) {
      scene.store = 'there';
      await done(scene);
    }
  });

  test.each([
    ['names the target', (scene: Scene) => scene.switch(), 3],
    ['names the source, and a switch is on its way', () => {}, 2],
    ['names nobody', (scene: Scene) => scene.registry.release('room', 'source', 1), 2],
  ])('it %s', async (_what, before, epoch) => {
    const scene = await begin();
    before(scene);
    scene.ownership.reclaim('room', 'target');
    await scene.ownership.reclaimed(['room'], 5_000);
    scene.switch();
    expect(scene.registry.owner('room')).toEqual({ roomId: 'room', host: 'source', epoch });
    expect(scene.ownership.epoch('room')).toBe(epoch);
  });

  test('waits for the store; the room does not move meanwhile', async () => {
    const scene = await begin();
    scene.switch();
    scene.store = 'away';
    scene.ownership.reclaim('room', 'target');
    await scene.ownership.reclaimed(['room'], 20);
    expect(scene.ownership.reclaiming('room')).toBe(true);
    scene.store = 'there';
    await done(scene);
    expect(scene.registry.owner('room')).toEqual({ roomId: 'room', host: 'source', epoch: 3 });
  });

  test('takes nothing from the target but what that one move gave it', async () => {
    const scene = await begin();
    scene.switch();
    scene.registry.transfer([{ roomId: 'room', from: 'target', epoch: 2, to: 'target' }]);
    scene.ownership.reclaim('room', 'target');
    await done(scene);
    expect(scene.registry.owner('room')).toEqual({ roomId: 'room', host: 'target', epoch: 3 });
  });

  test('a room that ended meanwhile is owned by nobody in the end', async () => {
    const scene = await begin();
    scene.switch();
    scene.store = 'away';
    scene.ownership.reclaim('room', 'target');
    scene.ownership.removed('room');
    scene.store = 'there';
    await done(scene);
    await until(() => scene.registry.owner('room') === undefined, 'the release');
    expect(scene.ownership.rooms()).toEqual([]);
  });
});
