// A service that has nothing but sockets, as the dashboard sees it.
import type { WatchBackend, WatchedSocket } from '../../server/src/control/index.ts';

/** So many sockets, of which a tenth is different each second. */
export function crowd(size: number): WatchBackend {
  const socket = (n: number, epoch: number): WatchedSocket => ({
    ...{ socketId: `s${n}`, mapping: 'duel', mappingVersion: 1, playerId: `player-${n}`, status: 'linked' },
    ...{
      peers: [`s${n ^ 1}`],
      link: `link-${n >> 1}`,
      host: `h${1 + (epoch % 2)}`,
      epoch,
      speech: 'baton.v1',
    },
    ...{ openedAt: Date.now() - n * 1_000, since: Date.now() },
  });
  return {
    look: async () => ({}) as never,
    async watch({ scopes }, out) {
      const stream = out();
      const all = Array.from({ length: size }, (_, n) => socket(n, 1));
      const you = { tenant: 'default', operator: true, key: 'service', scopes: [...scopes] };
      const queues = [
        { mapping: 'duel', sockets: size, opening: 0, unlinked: 0, waiting: 0, linked: size, recent: 0 },
      ];
      stream.send(
        'snapshot',
        JSON.stringify({ at: Date.now(), you, sockets: all, socketCount: size, queues }),
      );
      let round = 1;
      const timer = setInterval(() => {
        const changed = all
          .filter((_, n) => n % 10 === round % 10)
          .map((_, n) => socket(n * 10 + (round % 10), round));
        stream.send('change', JSON.stringify({ at: Date.now(), sockets: { changed, gone: [] } }));
        round++;
      }, 1_000);
      await stream.closed;
      clearInterval(timer);
    },
  };
}
