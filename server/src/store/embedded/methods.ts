import { z } from 'zod';
import { hostIdTaken, hostNotFound } from '../../errors.ts';
import * as shape from '../schema.ts';
import { type Method, method, name, names, text } from './method.ts';
import { presenceMethods, pubsubMethods } from './presence-methods.ts';
import type { Refusal } from './registry.ts';
import { protocolVersion } from './wire.ts';

const { key, keys } = shape;
const sort = z.record(z.string(), z.union([z.literal(1), z.literal(-1), z.string()]));

const registry: Record<string, Method> = {
  nextHostId: method(z.tuple([]), (s) => s.registry.nextHostId()),
  putHost: method(z.tuple([shape.hostRecord, shape.milliseconds]), (s, [record, leaseMs]) => {
    const outcome = s.registry.putHost(record, leaseMs);
    if (isRefusal(outcome)) {
      throw hostIdTaken({
        host: record.id,
        processId: outcome.refused === 'id taken' ? outcome.processId : '?',
      });
    }
    return outcome;
  }),
  removeHost: method(z.tuple([key]), (s, [id]) => s.registry.removeHost(id)),
  hosts: method(z.tuple([]), (s) => s.registry.hosts()),
  expireHosts: method(z.tuple([keys]), (s, [gone]) => s.registry.expireHosts(gone)),
  claim: method(z.tuple([key, key, shape.epoch]), (s, [roomId, host, epoch]) => {
    const outcome = s.registry.claim(roomId, host, epoch);
    if (!isRefusal(outcome)) return outcome;
    throw outcome.refused === 'owned' ? shape.ownedByAnother(host, outcome.owner) : hostNotFound({ host });
  }),
  owner: method(z.tuple([key]), (s, [roomId]) => s.registry.owner(roomId)),
  owners: method(z.tuple([keys]), (s, [roomIds]) =>
    roomIds.map((roomId) => s.registry.owner(roomId)).filter((owner) => owner !== undefined),
  ),
  roomsOf: method(z.tuple([key]), (s, [host]) => s.registry.roomsOf(host)),
  transfer: method(z.tuple([shape.moves]), (s, [moves]) => s.registry.transfer(moves)),
  release: method(z.tuple([key, key, shape.epoch]), (s, [roomId, host, epoch]) =>
    s.registry.release(roomId, host, epoch),
  ),
};

const records: Record<string, Method> = {
  'record.getMany': method(z.tuple([shape.reads]), (s, [keys]) => s.records.getMany(keys)),
  'record.commit': method(z.tuple([shape.changes]), (s, [changes]) => s.records.commit(changes)),
};

const driver: Record<string, Method> = {
  'room.has': method(z.tuple([name]), (s, [id]) => s.listings.has(id)),
  'room.put': method(z.tuple([name, text]), (s, [id, json]) => s.listings.put(id, json)),
  'room.insert': method(z.tuple([name, text]), (s, [id, json]) => s.listings.insert(id, json)),
  'room.remove': method(z.tuple([name]), (s, [id]) => s.listings.remove(id)),
  'room.cleanup': method(z.tuple([name]), (s, [processId]) => s.listings.cleanup(processId)),
  'room.clear': method(z.tuple([]), (s) => s.listings.clear()),
  'room.get': method(z.tuple([name]), (s, [id]) => s.listings.get(id)),
  'room.findByIds': method(z.tuple([names]), (s, [ids]) => s.listings.findByIds(ids)),
  'room.query': method(
    z.tuple([z.record(z.string(), z.unknown()), sort.optional(), z.int().min(1).optional()]),
    (s, [conditions, order, limit]) => s.listings.query(conditions, order as any).slice(0, limit),
  ),
};

/** What a client may ask for; arguments are checked before `run` sees them. */
export const methods = new Map<string, Method>(
  Object.entries({
    hello: method(z.tuple([z.literal(protocolVersion)]), () => undefined),
    ping: method(z.tuple([]), () => undefined),
    ...registry,
    ...records,
    ...pubsubMethods,
    ...presenceMethods,
    ...driver,
  }),
);

function isRefusal(outcome: unknown): outcome is Refusal {
  return typeof outcome === 'object' && outcome !== null && 'refused' in outcome;
}
