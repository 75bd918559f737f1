// What links ought to be: the same rules as plain data in one place, with nothing that could happen at the same time.

export interface Wished {
  peers?: string[];
  group?: { name: string; size: number };
  alias?: string;
  unlink?: boolean;
}

interface Linked {
  members: string[];
  group?: string;
  size?: number;
  formed: boolean;
}

interface Socket {
  alias?: string;
  want?: string[];
  link?: Linked;
  /** Codes of the errors it was told. */
  errors: string[];
}

type Refusal = { refused: string };

export class Reference {
  open = new Map<string, Socket>();
  closed = new Set<string>();
  /** Name → who waits for it, in order. */
  queues = new Map<string, string[]>();

  copy(): Reference {
    return Object.assign(new Reference(), structuredClone({ ...this }));
  }

  /** A socket opens, or wants something later. */
  want(id: string, wish: Wished): void {
    const socket = this.open.get(id) ?? { errors: [] };
    this.open.set(id, socket);
    const opened = this.copy();
    try {
      this.fulfil(id, wish);
    } catch (error) {
      const { refused } = error as Refusal;
      if (refused === undefined) throw error;
      Object.assign(this, opened);
      this.open.get(id)!.errors.push(refused);
    }
    this.serve(id);
    if (wish.alias !== undefined) this.serve(wish.alias);
  }

  close(id: string): void {
    const socket = this.open.get(id);
    if (!socket) return;
    this.cancel(id);
    this.leave(id);
    this.open.delete(id);
    this.closed.add(id);
    this.serve(id);
    if (socket.alias !== undefined) this.serve(socket.alias);
  }

  unlink(id: string): void {
    this.cancel(id);
    this.leave(id);
  }

  /** It has waited long enough, if it still waits. */
  expire(id: string): boolean {
    const socket = this.open.get(id);
    if (!socket || !this.waits(id)) return false;
    this.cancel(id);
    socket.errors.push('BATON_LINK_TIMEOUT');
    return true;
  }

  waits(id: string): boolean {
    const socket = this.open.get(id);
    return socket?.want !== undefined || socket?.link?.formed === false;
  }

  peers(id: string): string[] {
    const link = this.open.get(id)?.link;
    return link?.formed ? link.members.filter((member) => member !== id).sort() : [];
  }

  /** Everything that counts, in a form that can be compared. */
  seen(): object {
    const sockets = [...this.open].map(([id, { alias, want, errors }]) => [
      id,
      { alias, errors, peers: this.peers(id), want: want && [...want].sort(), group: this.groupOf(id) },
    ]);
    return Object.fromEntries(sockets.sort());
  }

  groupOf(id: string): string | undefined {
    const link = this.open.get(id)?.link;
    return link?.group && `${link.group} of ${link.size}${link.formed ? '' : ', forming'}`;
  }

  private fulfil(id: string, { unlink, alias, group, peers }: Wished): void {
    const me = this.open.get(id)!;
    if (unlink) this.unlink(id);
    if (alias !== undefined && alias !== me.alias) {
      if (this.resolveAlias(alias) !== undefined) throw { refused: 'BATON_LINK_TAKEN' };
      me.alias = alias;
    }
    if (group) this.join(id, group);
    else if (peers) this.pair(id, [...new Set(peers)]);
  }

  private pair(id: string, names: string[]): void {
    const me = this.open.get(id)!;
    if (this.isLinked(id)) {
      const others = me.link!.members.filter((member) => member !== id);
      const known = others.flatMap((member) => [member, this.open.get(member)!.alias]);
      if (names.every((name) => known.includes(name))) return;
      throw { refused: 'BATON_LINK_TAKEN' };
    }
    this.cancel(id);
    me.want = names;
    this.seek(id);
  }

  private join(id: string, { name, size }: { name: string; size: number }): void {
    const me = this.open.get(id)!;
    if (me.link?.group === name && me.link.size === size) return;
    if (this.isLinked(id)) throw { refused: 'BATON_LINK_TAKEN' };
    this.cancel(id);
    const links = [...this.open.values()].map(({ link }) => link);
    const link = links.find((one) => one?.group === name) ?? {
      members: [],
      group: name,
      size,
      formed: false,
    };
    if (link.size !== size || link.members.length >= size) throw { refused: 'BATON_LINK_TAKEN' };
    link.members.push(id);
    link.formed ||= link.members.length === size;
    me.link = link;
  }

  private seek(id: string): void {
    const me = this.open.get(id)!;
    const names = me.want!;
    const found = names.map((name) => (this.exists(name) ? name : this.resolveAlias(name)));
    const missing = names.filter((_, at) => found[at] === undefined);
    const peers = [...new Set(found.filter((peer) => peer !== undefined))];
    if (peers.includes(id)) throw { refused: 'BATON_LINK_SELF' };
    const members = [id, ...peers];
    const inside = members.flatMap((member) => [member, this.open.get(member)?.alias]);
    let later = missing.length > 0;
    for (const peer of peers) {
      const socket = this.open.get(peer);
      if (!socket) throw { refused: 'BATON_LINK_GONE' };
      if (this.isLinked(peer) || socket.link?.formed === false) throw { refused: 'BATON_LINK_TAKEN' };
      if (!socket.want || socket.want.every((name) => inside.includes(name))) continue;
      if (!socket.want.some((name) => name === id || name === me.alias))
        throw { refused: 'BATON_LINK_TAKEN' };
      later = true;
    }
    for (const name of missing) {
      const queue = this.queues.get(name) ?? [];
      if (!queue.includes(id)) this.queues.set(name, [...queue, id]);
    }
    if (later) return;
    for (const member of members) this.cancel(member);
    const link = { members, formed: true };
    for (const member of members) {
      const socket = this.open.get(member)!;
      socket.link = link;
    }
  }

  private serve(name: string): void {
    if (!this.exists(name) && this.resolveAlias(name) === undefined) return;
    const queue = this.queues.get(name) ?? [];
    this.queues.delete(name);
    for (const id of queue) {
      if (!this.open.get(id)?.want) continue; // one of those before it took it along
      const before = this.copy();
      try {
        this.seek(id);
      } catch (error) {
        const { refused } = error as Refusal;
        if (refused === undefined) throw error;
        Object.assign(this, before);
        this.cancel(id);
        this.open.get(id)!.errors.push(refused);
      }
    }
  }

  private cancel(id: string): void {
    const me = this.open.get(id)!;
    delete me.want;
    for (const [name, queue] of this.queues)
      this.queues.set(
        name,
        queue.filter((one) => one !== id),
      );
    if (!this.isLinked(id)) this.leave(id);
  }

  private leave(id: string): void {
    const me = this.open.get(id)!;
    const { link } = me;
    if (!link) return;
    delete me.link;
    link.members = link.members.filter((member) => member !== id);
    const [last] = link.members;
    if (link.members.length === 1 && link.group === undefined) delete this.open.get(last!)!.link;
  }

  private isLinked(id: string): boolean {
    const link = this.open.get(id)?.link;
    return link?.formed === true && link.members.length > 1;
  }

  private exists(id: string): boolean {
    return this.open.has(id) || this.closed.has(id);
  }

  private resolveAlias(alias: string): string | undefined {
    return [...this.open].find(([, socket]) => socket.alias === alias)?.[0];
  }
}
