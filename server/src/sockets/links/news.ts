// What a socket's client is told when its room learns how it stands now: the difference to what the room knew.
import type { Truth } from './records.ts';

/** What a room keeps of its link. */
export interface Standing {
  peers: string[];
  /** It lost its peers, and the mapping says that it waits for the next one. */
  bereft: boolean;
}

export interface News extends Standing {
  /** Peers that are none any more. */
  left: string[];
  /** Of those it had before, none is left. */
  allLeft: boolean;
  /** Somebody came: all who are peers now. */
  linked: string[] | undefined;
  status: 'open' | 'waiting' | 'linked';
  /** The mapping says that the socket closes when a peer leaves. */
  close: boolean;
}

/** All that a room keeps of its links. */
export interface Informed extends Standing {
  /** Version of what it was told last. */
  known: number;
  link: Truth['link'];
  wait: Truth['wait'];
  alias: string | undefined;
  status: 'opening' | News['status'];
}

/**
 * A room learns how it stands now.
 * @param onPeerLeave as for `news`
 * @returns the difference; nothing when it knows as much, or more
 */
export function inform(
  room: Informed,
  truth: Truth,
  onPeerLeave: 'close' | 'wait' | 'keep',
): News | undefined {
  if (truth.version <= room.known) return undefined;
  const change = news(room, truth, onPeerLeave);
  room.known = truth.version;
  room.link = truth.link;
  room.wait = truth.wait;
  room.alias = truth.alias ?? room.alias;
  room.peers = change.peers;
  room.bereft = change.bereft;
  room.status = change.status;
  return change;
}

/**
 * @param onPeerLeave of the socket's mapping; it is not asked about a link that was ended on purpose, or replaced
 */
export function news(before: Standing, truth: Truth, onPeerLeave: 'close' | 'wait' | 'keep'): News {
  const peers = truth.link?.peers ?? [];
  const left = before.peers.filter((peer) => !peers.includes(peer));
  const joined = peers.some((peer) => !before.peers.includes(peer));
  const abandoned = left.length > 0 && !joined && !truth.unlinked;
  const bereft = peers.length === 0 && (before.bereft || (abandoned && onPeerLeave === 'wait'));
  return {
    peers,
    bereft,
    left,
    allLeft: left.length > 0 && left.length === before.peers.length,
    linked: joined ? peers : undefined,
    status: peers.length > 0 ? 'linked' : truth.wait || bereft ? 'waiting' : 'open',
    close: abandoned && onPeerLeave === 'close',
  };
}
