// Colyseus' QueueRoom makes a match in `groups.forEach(async …)`: promises that nobody has. A queue that moved between
// making the room and sending the seats would send them to clients of the process it left.
import { QueueRoom } from '@colyseus/core';
import { standsFor } from '../fields/index.ts';
import { trackOf } from './track.ts';

type Groups = QueueRoom['groups'];

/** Call once: from then on a queue stays where it is while it makes matches. */
export function followMatches(): void {
  const stock = QueueRoom.prototype.processGroupsReady;
  const processGroupsReady = function (this: QueueRoom) {
    const { groups } = this;
    const track = trackOf(this);
    groups.forEach = (each: Parameters<Groups['forEach']>[0]) => {
      for (const [index, group] of [...groups].entries()) track.follow('match', each(group, index, groups));
    };
    try {
      stock.call(this);
    } finally {
      Reflect.deleteProperty(groups, 'forEach'); // the array's own again, and nothing for a move to take along
    }
  };
  standsFor(processGroupsReady, stock);
  QueueRoom.prototype.processGroupsReady = processGroupsReady;
}
