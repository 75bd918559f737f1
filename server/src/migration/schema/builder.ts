// Makes the instances of a snapshot in this process: takes over what onCreate() built already, constructs the rest.

import type { TypeContext } from '@colyseus/schema';
import { ChangeTree, Schema } from '@colyseus/schema';
import type { Ref, SchemaClass } from '../../colyseus/schema-internals.ts';
import {
  collectionOf,
  descriptorOf,
  rawOf,
  refIdOf,
  setTree,
  treeOf,
  valuesOf,
} from '../../colyseus/schema-internals.ts';
import { schemaMismatch } from '../../errors.ts';
import { emptyCollection, isSchemaInstance, kindOf } from './kinds.ts';
import type { NodeGroup, NodeId, StateSnapshot, TypeRef } from './snapshot.ts';
import { Kind, META } from './snapshot.ts';

/** Where a state comes to, for the texts of errors. */
export interface Place {
  roomName?: string;
  host?: string;
}

/** A group of the snapshot with its class in this process. */
export interface ResolvedGroup {
  group: NodeGroup;
  /** Schema: the class. Collection: the element type. */
  type: unknown;
}

/** Instances made between two chances to pause. */
const STRIDE = 64;

export class NodeBuilder {
  /** Instances by id as users see them (arrays: the Proxy), and without Proxy. */
  readonly refs: Ref[] = [];
  readonly raws: Ref[] = [];
  readonly #context: TypeContext;
  readonly #classes: ReadonlyMap<string, Function>;
  readonly #place: Place;
  readonly #claimed = new Set<Ref>();
  /** Classes whose constructor does not run without arguments. */
  readonly #bare = new Set<Function>();
  /** Group and row of each id of the snapshot at hand. */
  #groupAt: (ResolvedGroup | undefined)[] = [];
  #rowAt: number[] = [];
  #offsetAt: number[] = [];

  constructor(context: TypeContext, place: Place = {}, classes: ReadonlyMap<string, Function> = new Map()) {
    this.#context = context;
    this.#place = place;
    this.#classes = classes;
  }

  /** Finds the classes of all groups. Throws schemaMismatch before anything was made. */
  resolve(snapshot: StateSnapshot): ResolvedGroup[] {
    return snapshot.groups.map((group) => ({ group, type: this.#type(group.type) }));
  }

  /**
   * Makes what is missing, a stretch at a time. `existing` is a state of the same class whose parts may be taken
   * over. Run the generator to its end; nobody else may call `build` in between.
   */
  *build(groups: ResolvedGroup[], existing?: { root: NodeId; state: Ref }): Generator<void> {
    this.#index(groups);
    if (existing) this.#adopt(existing.root, existing.state, groups);
    for (let id = 0, made = 0; id < this.#groupAt.length; id++) {
      const at = this.#groupAt[id];
      if (at === undefined || this.refs[id] !== undefined) continue;
      this.#put(id, this.#make(at));
      if (at.group.kind === Kind.schema) this.#claimFields(id, at.group);
      if (++made % STRIDE === 0) yield;
    }
    this.#groupAt = [];
    this.#claimed.clear();
  }

  #type(type: TypeRef): unknown {
    if (type === undefined || typeof type === 'string') return type;
    let found: unknown;
    if (typeof type === 'number') found = this.#context.get(type);
    else if ('plain' in type) return type.plain;
    else
      found =
        this.#classes.get(type.name) ??
        [...this.#context.schemas.keys()].find((klass) => klass.name === type.name);
    if (found === undefined) {
      const name = typeof type === 'number' ? `of type ${type}` : type.name;
      throw schemaMismatch({
        roomName: '?',
        host: 'this host',
        ...this.#place,
        reason: `class ${name} is unknown`,
      });
    }
    return found;
  }

  #index(groups: ResolvedGroup[]): void {
    this.#groupAt = [];
    for (const resolved of groups) {
      const { ids, lengths } = resolved.group;
      let offset = 0;
      for (let row = 0; row < ids.length; row++) {
        const id = ids[row]!;
        this.#groupAt[id] = resolved;
        this.#rowAt[id] = row;
        this.#offsetAt[id] = offset;
        if (lengths) offset += Math.max(0, lengths[row]!);
      }
    }
  }

  #put(id: NodeId, ref: Ref): void {
    this.refs[id] = ref;
    this.raws[id] = rawOf(ref);
  }

  #make({ group, type }: ResolvedGroup): Ref {
    if (group.kind !== Kind.schema) return emptyCollection(group.kind);
    const klass = type as SchemaClass;
    if (!this.#bare.has(klass)) {
      try {
        // The constructor installs private members and arrow functions, which nothing else can.
        const made = new klass();
        if (made.constructor === klass && isSchemaInstance(made)) return made;
      } catch {
        // Constructors that need arguments: their work is in the snapshot already.
      }
      this.#bare.add(klass);
    }
    const bare = Object.create(klass.prototype) as Ref;
    Schema.initialize(bare);
    return bare;
  }

  /** What a constructor put into the fields becomes the instances at those places. */
  #claimFields(id: NodeId, group: NodeGroup): void {
    const values = valuesOf(this.raws[id]!);
    const row = this.#rowAt[id]!;
    for (let field = 0; field < values.length; field++) {
      const value = values[field];
      if (value === null || typeof value !== 'object') continue;
      const child = group.columns[field]?.[row];
      if (typeof child !== 'number' || child < 0 || !this.#claim(child, value as Ref)) continue;
      const { group: childGroup } = this.#groupAt[child]!;
      if (childGroup.kind === Kind.schema) this.#claimFields(child, childGroup);
    }
  }

  #claim(id: NodeId, candidate: Ref): boolean {
    const at = this.#groupAt[id];
    if (at === undefined || this.refs[id] !== undefined || !isSchemaInstance(candidate)) return false;
    const raw = rawOf(candidate);
    if (kindOf(raw) !== at.group.kind || treeOf(raw).encDescriptor === undefined || this.#claimed.has(raw))
      return false;
    if (at.group.kind === Kind.schema && raw.constructor !== at.type) return false;
    this.#claimed.add(raw);
    this.#put(id, treeOf(raw).ref);
    return true;
  }

  /**
   * Takes over instances of `existing`, so that closures which onCreate() made here keep pointing at live objects.
   * onCreate() runs alike in both processes, so equal ids mean the same instance; where ids differ the place
   * decides, but only for instances as old as onCreate().
   */
  #adopt(rootId: NodeId, existing: Ref, groups: ResolvedGroup[]): void {
    const byRefId = new Map<number, Ref>();
    const limit = treeOf(rawOf(existing)).root?.nextUniqueId ?? Number.MAX_SAFE_INTEGER;
    collect(rawOf(existing), byRefId, new Set());
    if (!this.#claim(rootId, existing)) return;
    for (const { group } of groups) {
      for (let row = 0; row < group.ids.length; row++) {
        const candidate = byRefId.get(group.meta[row * META + 1]!);
        if (candidate !== undefined) this.#claim(group.ids[row]!, candidate);
      }
    }
    this.#adoptByPlace(rootId, limit);
    for (const raw of this.#claimed) setTree(raw, new ChangeTree(treeOf(raw).ref as never, raw as never));
  }

  #adoptByPlace(rootId: NodeId, limit: number): void {
    const queue: NodeId[] = [rootId];
    const seen = new Set(queue);
    const visit = (id: unknown, candidate: unknown) => {
      if (typeof id !== 'number' || id < 0 || seen.has(id) || !isSchemaInstance(candidate)) return;
      const at = this.#groupAt[id];
      if (at === undefined) return;
      const refId = at.group.meta[this.#rowAt[id]! * META + 1]!;
      if (refIdOf(rawOf(candidate as Ref)) === undefined || refId < limit) this.#claim(id, candidate as Ref);
      if (this.refs[id] === undefined) return;
      seen.add(id);
      queue.push(id);
    };
    for (const id of queue) this.#places(id, visit);
  }

  /** Calls `visit(child's id, what is at that place here)` for each place of an adopted instance. */
  #places(id: NodeId, visit: (id: unknown, candidate: unknown) => void): void {
    const { group } = this.#groupAt[id]!;
    const raw = this.raws[id]!;
    const row = this.#rowAt[id]!;
    if (group.kind === Kind.schema) {
      const { types } = descriptorOf(raw);
      const values = valuesOf(raw);
      for (let field = 0; field < types.length; field++) {
        if (typeof values[field] === 'object') visit(group.columns[field]![row], values[field]);
      }
      return;
    }
    const collection = collectionOf(raw);
    const offset = this.#offsetAt[id]!;
    const column = group.columns[0]!;
    for (let i = offset; i < offset + group.lengths![row]!; i++) {
      if (group.kind === Kind.array) visit(column[i], collection.items[i - offset]);
      else
        visit(column[i], collection.$items.get(group.kind === Kind.map ? group.keys![i] : group.indexes![i]));
    }
  }
}

/** All instances below `raw` by the id that this process gave them. */
function collect(raw: Ref, byRefId: Map<number, Ref>, seen: Set<Ref>): void {
  if (seen.has(raw)) return;
  seen.add(raw);
  const refId = refIdOf(raw);
  const tree = treeOf(raw);
  if (refId !== undefined) byRefId.set(refId, tree.ref);
  (tree as unknown as ChangeTree).forEachChild((child) => collect(rawOf(child.ref as Ref), byRefId, seen));
}
