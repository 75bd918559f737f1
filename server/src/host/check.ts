// `baton check`: loads an app as a host would, makes two rooms of every kind and says what of them could not move.
import { LocalDriver, LocalPresence, matchMaker, type Room } from '@colyseus/core';
import { asBatonError } from '../errors.ts';
import {
  checkRoomClass,
  followAppRooms,
  installHooks,
  type Problem,
  registerAppClasses,
} from '../migration/index.ts';
import { silentLog } from '../telemetry/index.ts';
import { BatonTransport } from '../transport/index.ts';
import { loadApp } from './app.ts';
import { assertVersions } from './versions.ts';

export interface AppReport {
  rooms: { name: string; problems: Problem[] }[];
}

/**
 * Runs the app's constructors and onCreate() in this process, without listening on any port.
 * @param path absolute path of the app
 * @throws BATON_APP_FAILED, BATON_APP_INVALID, BATON_UNSUPPORTED_COLYSEUS
 */
export async function checkApp(path: string): Promise<AppReport> {
  assertVersions(path);
  installHooks();
  registerAppClasses();
  await loadApp(path, {
    presence: new LocalPresence(),
    driver: new LocalDriver(),
    selectProcessIdToCreateRoom: async () => matchMaker.processId,
    transport: (options) => new BatonTransport({ ...options, noServer: true }),
    log: silentLog,
  });
  followAppRooms();
  await matchMaker.onReady;
  const rooms: AppReport['rooms'] = [];
  for (const name of Object.keys(matchMaker.getAllHandlers())) {
    rooms.push({ name, problems: await checkKind(name) });
  }
  return { rooms };
}

async function checkKind(name: string): Promise<Problem[]> {
  try {
    const { report, against } = await checkRoomClass(
      () => makeRoom(name),
      (room) => (room as unknown as Room).disconnect(),
    );
    return [...report.problems, ...against];
  } catch (error) {
    const reason = error instanceof Error ? error.message : asBatonError(error).message;
    return [
      {
        path: `${name}.onCreate()`,
        what: `it threw: ${reason}`,
        hint: 'let onCreate() work without options, so that it can be checked',
      },
    ];
  }
}

async function makeRoom(name: string) {
  const { roomId } = await matchMaker.handleCreateRoom(name, {});
  return matchMaker.getLocalRoomById(roomId) as never;
}
