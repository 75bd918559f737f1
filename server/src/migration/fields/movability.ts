// Says what of a room cannot move, before anything is frozen: at the source, against the target's shell, and for people.
import { Room } from '@colyseus/core';
import { Schema } from '@colyseus/schema';
import { pluginsOf } from './base-fields.ts';
import { infoOf } from './class-info.ts';
import { ClassRegistry } from './class-registry.ts';
import { captureFields, codeOf } from './fields.ts';
import { fingerprint } from './fingerprint.ts';
import { FunctionNames, findFunction, refText } from './functions.ts';
import { HINTS } from './hints.ts';
import { FieldPickler } from './pickler.ts';
import { privateFieldsOfChain } from './private-fields.ts';
import { keyOf } from './symbols.ts';
import { describeHandler } from './timer-handlers.ts';
import type { Need, Problem, RoomLike, Step, TimerNames } from './types.ts';
import { extrasOf } from './walk.ts';

/** Plain; survives v8.serialize. */
export interface MovabilityReport {
  className: string;
  /** Fingerprint of the room's class chain (`codeOf`). */
  code: number;
  /** Never moves as it is. */
  problems: Problem[];
  /** Passes by itself: closures of one-shot timers. `dueMs` of the room's clock. */
  waits: (Problem & { dueMs: number })[];
  /** Moves, but something stays behind on purpose. */
  notes: Problem[];
  /** What the target must have: see `checkAgainstShell`. */
  needs: Need[];
}

const hasHooks = (klass: Function): boolean =>
  typeof klass.prototype?.onCacheRoom === 'function' && typeof klass.prototype?.onRestoreRoom === 'function';

/** Private data fields of a room class that no hook carries. */
export function inspectRoomClass(klass: Function): Problem[] {
  if (hasHooks(klass)) return [];
  return privateFieldsOfChain(klass, Room).map((f) => ({
    path: `room.${f.field}`,
    what: `private field ${f.className}.${f.field}`,
    hint: HINTS.privateRoom,
  }));
}

/**
 * Looks through a running room: no side effects except calls of toBaton(). The registry that it makes of the source's classes
 * may be passed on to the capture.
 * @param o.timers without it, clock timers are not looked at
 */
export function inspectRoom(
  room: RoomLike,
  o: { timers?: TimerNames; classes?: ClassRegistry } = {},
): MovabilityReport {
  const classes = o.classes ?? ClassRegistry.of(room);
  const report: MovabilityReport = {
    className: room.constructor.name,
    code: codeOf(room),
    problems: inspectRoomClass(room.constructor),
    waits: [],
    notes: [],
    needs: [],
  };
  const pickler = new FieldPickler({
    room,
    timers: o.timers,
    classes,
    needs: report.needs,
    notes: report.notes,
  });
  captureFields(pickler, room);
  for (const client of room.clients) {
    const path = `room.clients.get(${JSON.stringify(client.sessionId)})`;
    pickler.pickleFields(client, ['auth', 'userData'], path);
  }
  inspectState(room, pickler, report.problems);
  for (const [key, plugin] of pluginsOf(room)) {
    if (infoOf(plugin).hook) continue;
    for (const f of privateFieldsOfChain(plugin.constructor))
      report.problems.push({
        path: `room.plugins.${key}.${f.field}`,
        what: `private field ${f.className}.${f.field}`,
        hint: HINTS.privateClass,
      });
  }
  if (o.timers) inspectTimers(room, o.timers, classes, pickler, report);
  report.problems.push(...pickler.problems);
  return report;
}

function inspectState(room: RoomLike, pickler: FieldPickler, problems: Problem[]): void {
  for (const [owner, key, value] of extrasOf(room.state)) {
    // `onHit = () => …` in the class: the target's constructor makes it, too.
    if (typeof value === 'function' && value.name === key) continue;
    pickler.pickleFields(owner, [key], `state ${owner.constructor.name}`);
  }
  if (hasHooks(room.constructor)) return; // the room carries what cannot be seen
  for (const klass of schemaClassesOf(room)) {
    for (const f of privateFieldsOfChain(klass, Schema))
      problems.push({
        path: `state ${klass.name}.${f.field}`,
        what: `private field ${f.className}.${f.field}`,
        hint: HINTS.privateClass,
      });
  }
}

/** The classes of the room's state, by the encoder's own table. */
function schemaClassesOf(room: RoomLike): Function[] {
  const types = room._serializer?.encoder?.context?.schemas;
  return types instanceof Map
    ? [...types.keys()]
    : typeof room.state?.constructor === 'function'
      ? [room.state.constructor]
      : [];
}

function inspectTimers(
  room: RoomLike,
  timers: TimerNames,
  classes: ClassRegistry,
  pickler: FieldPickler,
  report: MovabilityReport,
): void {
  const names = new FunctionNames(room, classes);
  for (const delayed of room.clock.delayed) {
    if (!delayed.active) continue;
    const found = describeHandler({ room, delayed, timers, classes, names });
    if (found.kind === 'problem') report.problems.push(found.problem);
    else if (found.kind === 'postpone') report.waits.push({ ...found.problem, dueMs: found.dueMs });
    else if (found.kind === 'movable') {
      const path = `room.clock timer ${found.name}`;
      report.needs.push({
        need: 'method',
        path,
        steps: [],
        name: (timers.handlerOf?.(delayed) ?? delayed.handler).name,
        h: found.h,
        ref: found.ref,
        what: 'closure',
        hint: HINTS.timer,
      });
      delayed.args?.forEach((arg: unknown, i: number) => {
        pickler.pickle(arg, `${path} argument ${i}`);
      });
    }
  }
}

/**
 * Checks, before the freeze, that the room which the target built has everything the source relies on.
 * @param shell the target's room: constructed, onCreate() through
 * @param o.sameCode both run the same code; by default when the room class's source is equal
 */
export function checkAgainstShell(
  report: MovabilityReport,
  shell: RoomLike,
  o: { classes?: ClassRegistry; sameCode?: boolean } = {},
): Problem[] {
  const classes = o.classes ?? ClassRegistry.of(shell);
  const sameCode = o.sameCode ?? report.code === codeOf(shell);
  const problems: Problem[] = [];
  for (const need of report.needs) {
    const problem = unmet(need, shell, classes, sameCode);
    if (problem) problems.push({ path: need.path, ...problem });
  }
  return problems;
}

function unmet(
  need: Need,
  shell: RoomLike,
  classes: ClassRegistry,
  sameCode: boolean,
): Omit<Problem, 'path'> | undefined {
  const there = need.steps.map((steps) => locate(shell, steps));
  const fits = (fn: unknown) =>
    typeof fn === 'function' && fn.name === need.name && (!sameCode || fingerprint(fn) === need.h);
  switch (need.need) {
    case 'class': {
      if (
        there.some(
          (d) => typeof d?.value === 'object' && d.value !== null && infoOf(d.value).name === need.name,
        )
      )
        return undefined;
      if (need.name !== '' && classes.find(need.name, need.h)) return undefined;
      return { what: need.what, hint: classes.named(need.name).length > 1 ? HINTS.twoClasses : need.hint };
    }
    case 'method': {
      const found = findFunction(shell, need.ref!, classes);
      if (
        there.some((d) => fits(d?.value)) ||
        (found && (['global', 'movable', 'class'].includes(need.ref!.t) || fits(found)))
      )
        return undefined;
      return { what: refText(need.ref!), hint: found ? HINTS.replaced : HINTS.missing };
    }
    case 'function':
      if (there.some((d) => fits(d?.value))) return undefined;
      return {
        what: need.name ? `closure ${need.name}` : 'closure',
        hint: there.some((d) => typeof d?.value === 'function') ? HINTS.replaced : need.hint,
      };
    case 'own':
      return there.some((d) => isThere(need, d)) ? undefined : { what: need.what, hint: need.hint };
  }
}

function isThere(need: Need, d: PropertyDescriptor | undefined): boolean {
  if (d === undefined) return false;
  if (need.name === 'accessor') return d.get !== undefined || d.set !== undefined;
  if (need.name === 'symbol') return typeof d.value === 'symbol' && String(d.value) === need.what;
  return (
    typeof d.value === 'object' &&
    d.value !== null &&
    (need.name === '' || d.value.constructor?.name === need.name)
  );
}

/** What the shell has at the same place, as a property descriptor; reads no getters. */
function locate(shell: RoomLike, steps: readonly Step[]): PropertyDescriptor | undefined {
  const root = steps[0]?.[0] === 'call' ? rootObject(shell, steps[0][1]) : undefined;
  let at: PropertyDescriptor | undefined = root && { value: root };
  for (const [kind, key] of steps.slice(1)) {
    const v = at?.value;
    if (typeof v !== 'object' || v === null) return undefined;
    if (kind === 'prop') {
      const name = keyOf(key, v);
      at = name === undefined ? undefined : Object.getOwnPropertyDescriptor(v, name);
    } else if (kind === 'index') at = Object.getOwnPropertyDescriptor(v, key);
    else if (kind === 'value' && infoOf(v).kind === 'map' && (typeof key !== 'object' || key === null))
      at = { value: Map.prototype.get.call(v, key) };
    else return undefined;
  }
  return at;
}

function rootObject(shell: RoomLike, root: string): object | undefined {
  if (root === 'room') return shell;
  for (const [key, plugin] of pluginsOf(shell))
    if (root === `room.plugins.${key}` || root === `room._autoPlugins["${key}"]`) return plugin;
  return undefined;
}

/** Lines for people: `baton check`. */
export function formatReport(report: MovabilityReport, against: readonly Problem[] = []): string {
  const lines: string[] = [];
  const list = (title: string, problems: readonly Problem[]) => {
    if (problems.length === 0) return;
    lines.push(title);
    for (const p of problems) lines.push(`  ${p.path}: ${p.what}`, `    ${p.hint}`);
  };
  const stop = [...report.problems, ...against];
  lines.push(
    stop.length === 0
      ? `${report.className} can move.`
      : `${report.className} cannot move: ${stop.length} ${stop.length === 1 ? 'problem' : 'problems'}.`,
  );
  list('Cannot move', stop);
  list('A move waits for', report.waits);
  list('Stays behind', report.notes);
  return lines.join('\n');
}

/**
 * Checks a room class by building two rooms of it, one in the role of the source, one of the target. What rooms collect only
 * while they are played is not seen: inspect a running room for that.
 * @param make constructs a room and runs its onCreate(), as the matchmaker would
 * @param dispose takes it away again
 */
export async function checkRoomClass(
  make: () => Promise<RoomLike> | RoomLike,
  dispose: (room: RoomLike) => Promise<unknown> | unknown = () => {},
): Promise<{ report: MovabilityReport; against: Problem[]; text: string }> {
  const source = await make();
  try {
    const shell = await make();
    try {
      const report = inspectRoom(source);
      const against = checkAgainstShell(report, shell, { sameCode: true });
      return { report, against, text: formatReport(report, against) };
    } finally {
      await dispose(shell);
    }
  } finally {
    await dispose(source);
  }
}
