// A host process: Colyseus with Baton's transport, its rooms movable, steered by the supervisor over IPC.
import inspector from 'node:inspector';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { matchMaker } from '@colyseus/core';
import { AddressRanges } from '../address-ranges.ts';
import { AddressGuard } from '../calls/index.ts';
import {
  AuditLog,
  createControl,
  IdempotencyKeys,
  operationsOf,
  type ReloadOptions,
  type ReloadResult,
} from '../control/index.ts';
import { dashboardPage, Watch } from '../dashboard/index.ts';
import { asBatonError, BatonError, reloadFailed } from '../errors.ts';
import { Functions } from '../functions/index.ts';
import { Handoff, noPeers, type Peers } from '../handoff/index.ts';
import {
  endLostRoom,
  followAppRooms,
  gateDriver,
  gatePresence,
  installHooks,
  Migrator,
  Ownership,
  registerAppClasses,
} from '../migration/index.ts';
import { HostedSockets, SOCKET_PATH } from '../sockets/index.ts';
import { openStore } from '../store/index.ts';
import { counters, createLog, type Log, startTraces, tolerateBrokenPipes } from '../telemetry/index.ts';
import { BatonTransport } from '../transport/index.ts';
import { loadApp } from './app.ts';
import { Backend } from './backend.ts';
import { interceptControl } from './intercept.ts';
import { HostMetrics } from './metrics.ts';
import { OpenRequests } from './open-requests.ts';
import { NewRoomPlacement } from './placement.ts';
import { Registration } from './registration.ts';
import { Routing } from './routing.ts';
import { type HostSettings, readSettings } from './settings.ts';
import { Tenancy } from './tenancy.ts';
import { assertVersions } from './versions.ts';

const RELOAD_TIMEOUT_MS = 15 * 60_000;
/** A host whose supervisor is gone ends once nobody plays on it any more: until then it holds the port. */
const ORPHAN_CHECK_MS = 5_000;
/** What a stop may take beyond its deadline before the process ends all the same. */
const STOP_GRACE_MS = 2_000;
/** How long a host that leaves keeps connections on which nothing is asked, while others take over. */
const HTTP_GRACE_MS = 500;
const HTTP_PATIENCE_MS = 3_000;

interface Running {
  backend: Backend;
  migrator: Migrator;
  /** From now on, or again, it takes rooms. */
  serve(): Promise<void>;
  stop(deadlineMs: number, leaving: string[]): Promise<void>;
  /** The processes of these hosts have ended. */
  gone(hosts: string[]): void;
}

/**
 * The channel to the supervisor is this file's alone. Libraries that find one take its other end for theirs:
 * `@pm2/io`, which Colyseus loads where it is installed, ends the process as soon as it is closed.
 */
const channel = process.send?.bind(process);
process.send = undefined;

const send = (message: object) => {
  if (process.connected) channel?.(message, undefined, undefined, () => {});
};

async function start(settings: HostSettings, log: Log): Promise<Running> {
  assertVersions(settings.app);
  installHooks();
  registerAppClasses();
  const store = await openStore({ ...settings.store, log });
  const id = await store.nextHostId();
  const hostLog = log.child({ host: id });
  const endTraces = await startTraces(id, hostLog);
  const handoff = await openPeers(path.join(settings.runtimeDir, `${id}.sock`), hostLog);
  const ownership = new Ownership(store, id, hostLog);
  const gates = { driver: gateDriver(store.driver, ownership), presence: gatePresence(store.presence) };
  ownership.onLost((roomId) => endLostRoom(roomId, gates));
  const placement = new NewRoomPlacement(() => store.hosts());
  const { coalesce, trustProxy } = settings;
  const app = await loadApp(settings.app, {
    presence: gates.presence.presence,
    driver: gates.driver.driver,
    selectProcessIdToCreateRoom: placement.select,
    transport: (options) =>
      new BatonTransport({ coalesce, ...options, trustProxy, listenFd: settings.listenFd }),
    log: hostLog,
  });
  followAppRooms();
  await matchMaker.onReady;
  const guard = new AddressGuard(settings.allowEndpoints);
  const { generation, mappings: file, development } = settings;
  const tenancy = await Tenancy.start({ store, host: id, guard, file, development, log: hostLog });
  const functions = new Functions({
    runtimeDir: settings.runtimeDir,
    startRunner: () => send({ type: 'functions' }),
  });
  const sockets: HostedSockets = new HostedSockets({
    tenants: tenancy.tenants,
    mappings: tenancy.mappings,
    tokens: tenancy.tokens,
    host: id,
    guard,
    functions,
    epoch: (socketId) => ownership.epoch(socketId),
    owned: () => ownership.rooms(),
    store,
    log: hostLog,
    place: placement.place,
    accepting: () => registration.record.state === 'up',
    handOver: (arrival, host) => routing.passOn(arrival, host),
    route: (socketId, arrival) => routing.route(socketId, arrival),
  });
  tenancy.mappings.prove = (url) => sockets.prove(url, settings.origin);
  await sockets.start();

  const registration: Registration = new Registration({
    id,
    store,
    handoffPath: handoff.path,
    generation,
    log: hostLog,
    hostGone: (dead) => sockets.hostGone(dead),
  });
  const migrator: Migrator = new Migrator({
    self: () => registration.record,
    store,
    handoff,
    transport: app.transport,
    gates,
    ownership,
    log: hostLog,
    groupOf: (roomId) => sockets.links.groupOf(roomId),
  });
  sockets.useMigrator(migrator, app.transport);
  const routing: Routing = new Routing({
    host: id,
    migrator,
    store,
    handoff,
    transport: app.transport,
    log: hostLog,
  });
  app.transport.reception = { prefix: SOCKET_PATH, take: (arrival) => sockets.receive(arrival) };
  const backend = new Backend({
    registration,
    store,
    handoff,
    migrator,
    ownership,
    drained: () => send({ type: 'drained' }),
    reload: askForReload,
  });
  const audit = new AuditLog(store.presence, hostLog);
  const metrics = new HostMetrics({
    self: () => registration.record,
    store,
    handoff,
    ownership,
    connections: () => app.transport.connectionCount,
    openCircuits: () => sockets.openCircuits,
  });
  const watch = new Watch({
    store,
    self: () => registration.record,
    rooms: () => backend.localRooms(false),
    sockets: () => sockets.here.all(),
    epoch: (socketId) => ownership.epoch(socketId),
    tenants: tenancy.tenants,
    mappings: tenancy.mappings,
    deadLetters: sockets.deadLetters,
    log: hostLog,
  });
  await watch.start();
  const operations = operationsOf({
    service: backend,
    sockets: sockets.directory,
    deadLetters: sockets.deadLetters,
    functions,
    mappings: tenancy.mappings,
    keys: tenancy.keys,
    audit,
    tenantLog: sockets.tenantLog,
    watch,
    metrics: () => metrics.text(),
    unready: () => (store.connected ? undefined : 'the store is away'),
  });
  const control = createControl({
    operations,
    tokens: { service: settings.controlToken, metrics: settings.metricsToken },
    keys: tenancy.keys,
    audit,
    trustProxy: settings.trustProxy,
    idempotency: new IdempotencyKeys(store, hostLog),
    answered: ({ id }, status, seconds) => {
      counters.controlRequests.add(`${id} ${status}`);
      counters.controlSeconds.add(seconds);
    },
    dashboard: dashboardPage(),
    log: hostLog,
  });
  interceptControl(app.transport.server!, control, operations, new AddressRanges(settings.trustProxy));
  const requests = new OpenRequests(app.transport.server!);
  // Colyseus looks after dead processes before it listens, for seconds: nobody sends rooms here until that is done
  registration.record.state = 'draining';
  await registration.start(
    ownership,
    async () => {
      await matchMaker.restoreMissingRoomCaches();
      await sockets.links.restore(ownership.rooms());
    },
    () => ownership.moves,
  );
  if (!settings.standby) await tenancy.declare(generation);
  await app.listen(settings.port);
  await registration.setState(settings.standby ? 'standby' : 'up');
  send({ type: 'ready', hostId: id, processId: matchMaker.processId, checks: true, beats: !inspected() });
  hostLog.info({ generation }, `host ${id} is ready`);

  return {
    backend,
    migrator,
    async serve() {
      await tenancy.declare(generation);
      await backend.serve();
    },
    gone: (hosts) => registration.gone(hosts),
    async stop(deadlineMs, leaving) {
      const until = Date.now() + deadlineMs;
      await registration.setState('draining').catch(() => {});
      // Colyseus locks and disconnects every room it finds here, those that only were to arrive as well
      await migrator.refuseArrivals();
      const others = (await store.hosts().catch(() => [])).some(
        (h) => h.id !== id && h.state === 'up' && !leaving.includes(h.id),
      );
      if (others && ownership.rooms().length > 0) {
        await backend
          .drainSelf(Math.max(0, deadlineMs - 1_000))
          .catch((error) => hostLog.warn({ err: error }, 'drain failed'));
      }
      await watch.stop();
      // where others go on nobody waits for this one's end: a reload that it was asked for is answered first
      const patience = others ? until - 1_000 - Date.now() : Math.min(HTTP_PATIENCE_MS, until - Date.now());
      await requests.leave(others ? HTTP_GRACE_MS : 0, patience);
      await Promise.race([app.server.gracefullyShutdown(false), sleep(Math.max(500, until - Date.now()))]);
      await sockets.shutdown();
      await registration.stop();
      await functions.close();
      await tenancy.stop();
      await handoff.close();
      await store.close();
      await endTraces();
    },
  };
}

async function openPeers(socket: string, log: Log): Promise<Peers> {
  const support = Handoff.supported();
  if (support.ok) return Handoff.listen({ path: socket, log });
  log.warn(`rooms run, but do not move on ${process.platform}: ${support.reason}`);
  return noPeers(socket, support.reason);
}

/** A process that stands at a breakpoint is silent, but not hung. */
const inspected = () => inspector.url() !== undefined;

const supervisorGone = () => reloadFailed({ reason: 'the supervisor is gone' });

let lastRequest = 0;
const reloads = new Map<number, { resolve(result: ReloadResult): void; reject(error: Error): void }>();

function askForReload(options: ReloadOptions): Promise<ReloadResult> {
  if (!process.connected) return Promise.reject(supervisorGone());
  const id = ++lastRequest;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(reloadFailed({ reason: 'the supervisor did not answer' })),
      RELOAD_TIMEOUT_MS,
    );
    timer.unref();
    reloads.set(id, {
      resolve(result) {
        clearTimeout(timer);
        resolve(result);
      },
      reject(error) {
        clearTimeout(timer);
        reject(error);
      },
    });
    send({ type: 'reload', id, ...options });
  });
}

function listenToSupervisor(running: Running, log: Log): void {
  const answer = async (type: string, id: number, work: () => Promise<unknown>) => {
    try {
      send({ type, id, result: await work() });
    } catch (error) {
      if (!(error instanceof BatonError)) log.error({ err: error }, `${type} failed`);
      send({ type, id, error: asBatonError(error).toJSON() });
    }
  };
  process.on('message', (message: any) => {
    if (message?.type === 'ping') send({ type: 'pong' });
    else if (message?.type === 'drain')
      answer('drain-result', message.id, () => running.backend.drainSelf(message.deadlineMs));
    else if (message?.type === 'serve') answer('serve-result', message.id, () => running.serve());
    else if (message?.type === 'check') answer('check-result', message.id, () => running.migrator.rehearse());
    else if (message?.type === 'gone') running.gone(message.hosts.map(String));
    else if (message?.type === 'stop') {
      const leaving = Array.isArray(message.leaving) ? message.leaving.map(String) : [];
      shutDown(running, message.deadlineMs, log, leaving);
    } else if (message?.type === 'reload-result') {
      const waiting = reloads.get(message.id);
      reloads.delete(message.id);
      if (message.error) waiting?.reject(BatonError.fromJSON(message.error));
      else waiting?.resolve(message.result);
    }
  });
  process.on('disconnect', () => {
    log.warn('the supervisor is gone; this host goes on until nobody plays on it');
    for (const { reject } of reloads.values()) reject(supervisorGone());
    reloads.clear();
    setInterval(() => {
      if (matchMaker.stats.local.ccu <= 0) shutDown(running, 1_000, log);
    }, ORPHAN_CHECK_MS);
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => shutDown(running, 10_000, log));
}

let stopping = false;

async function shutDown(
  running: Running,
  deadlineMs: number,
  log: Log,
  leaving: string[] = [],
): Promise<void> {
  if (stopping) return;
  stopping = true;
  try {
    await Promise.race([running.stop(deadlineMs, leaving), sleep(deadlineMs + STOP_GRACE_MS)]);
  } catch (error) {
    log.error({ err: error }, 'the host did not stop cleanly');
  }
  process.exit(0);
}

tolerateBrokenPipes();
const log = createLog({ name: 'host' });
// Mostly an app's handler that did not expect what a client sent. One room's mistake is not the others' end: were the
// process to end, a single client could bring down host after host.
process.on('uncaughtException', (error) => log.error({ err: error }, 'uncaught exception of the app'));
process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));
const giveUp = () => process.exit(1);
try {
  const settings = readSettings(process.env['BATON_HOST']);
  delete process.env['BATON_HOST'];
  // a host that is not ready when its supervisor dies may wait for ever for a store that died with it
  process.once('disconnect', giveUp);
  const running = await start(settings, log);
  process.off('disconnect', giveUp);
  listenToSupervisor(running, log);
} catch (error) {
  const failure = asBatonError(error);
  log.error({ err: error }, failure.message);
  send({ type: 'failed', error: failure.toJSON() });
  setTimeout(() => process.exit(1), 200);
}
