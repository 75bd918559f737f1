// A pair of rooms: one that was played, and the shell that another process would have built of the same class.
import { deserialize, serialize } from 'node:v8';
import type { Room } from '@colyseus/core';
import {
  ClassRegistry,
  captureFields,
  checkAgainstShell,
  FieldPickler,
  FieldUnpickler,
  inspectRoom,
  type MovabilityReport,
  type Problem,
  restoreFields,
  type StateIds,
  type StateObjects,
  type TimerNames,
} from '../../server/src/migration/fields/index.ts';

type Make = new () => Room<any>;

const open: Room<any>[] = [];

/** Builds a room as the matchmaker does, without one: constructor, `__init()`, `onCreate()`. Its loops are stopped. */
export function build<T extends Make>(klass: T, options: unknown = {}): InstanceType<T> {
  const room = new klass() as any;
  room._listing = {};
  room.__init();
  clearTimeout(room._autoDisposeTimeout);
  room.onCreate?.(options);
  room.patchRate = 0;
  open.push(room);
  return room;
}

/** Stops what the rooms of a test left running. */
export function closeRooms(): void {
  for (const room of open.splice(0) as any[]) {
    room.clock.clear();
    room._simulationInterval = true;
    room.patchRate = null;
    clearTimeout(room._autoDisposeTimeout);
  }
}

/** Names timers as the room level does: creation order, `c` until onCreate is through. */
export function timerNames(room: any, created: number): TimerNames {
  return {
    nameOf(delayed) {
      const i = room.clock.delayed.indexOf(delayed);
      return i < 0 ? undefined : `${i < created ? 'c' : 'd'}${i + 1}`;
    },
  };
}

export interface MoveOptions {
  state?: StateIds;
  objects?: StateObjects;
  timers?: TimerNames;
  targetTimers?: Map<string, any>;
  clients?: Map<string, any>;
  sameCode?: boolean;
}

/** Carries the fields of `source` into `shell` through v8.serialize. */
export function move(source: any, shell: any, o: MoveOptions = {}): { problems: Problem[]; left: Problem[] } {
  const classes = ClassRegistry.of(shell);
  const pickler = new FieldPickler({
    room: source,
    state: o.state,
    timers: o.timers,
    classes: ClassRegistry.of(source),
  });
  const record = captureFields(pickler, source);
  const wire = deserialize(serialize({ record, nodes: pickler.nodes }));
  const unpickler = new FieldUnpickler({
    room: shell,
    nodes: wire.nodes,
    state: o.objects,
    clients: o.clients ?? new Map(),
    timers: o.targetTimers ?? new Map(),
    classes,
    sameCode: o.sameCode,
  });
  restoreFields(unpickler, shell, wire.record);
  unpickler.finish();
  return { problems: unpickler.problems, left: pickler.problems };
}

/** What would be refused before the freeze: at the source alone, and against the shell. The report travels, too. */
export function check(
  source: any,
  shell: any,
  o: { timers?: TimerNames; sameCode?: boolean } = {},
): { report: MovabilityReport; against: Problem[]; all: Problem[] } {
  const report = deserialize(serialize(inspectRoom(source, { timers: o.timers }))) as MovabilityReport;
  const against = checkAgainstShell(report, shell, { sameCode: o.sameCode });
  return { report, against, all: [...report.problems, ...against] };
}
