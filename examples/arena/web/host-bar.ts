import { ControlApi, controlToken, type RoomView } from './control-api.ts';
import { element, flash, setText, toast } from './dom.ts';

export interface Move {
  from: string;
  to: string;
  blackoutMs?: number;
}

export interface HostBar {
  readonly token: string | undefined;
  readonly host: string | undefined;
  readonly moves: number;
  /** Follow this room from now on. */
  watch(roomId: string): void;
}

const POLL_MS = 1_000;

/** Shows which host runs the room, how often it has moved, and lets the buttons move it. */
export function hostBar(onMove: (move: Move) => void): HostBar {
  const token = controlToken();
  const api = token ? new ControlApi(token) : undefined;
  let roomId: string | undefined;
  let seen: RoomView | undefined;

  const show = (room: RoomView) => {
    if (setText(element('host'), room.host) && seen) flash(element('host'));
    if (setText(element('moves'), String(room.moves ?? 0)) && seen) flash(element('moves'));
    const before = seen?.roomId === room.roomId ? seen : undefined;
    seen = room;
    if (before && (before.moves ?? 0) !== (room.moves ?? 0)) {
      onMove({ from: before.host, to: room.host, blackoutMs: room.lastBlackoutMs });
    }
  };

  const poll = async () => {
    if (!api || !roomId || document.hidden) return;
    const room = await api.room(roomId).catch(() => undefined);
    if (room && room.roomId === roomId) show(room);
    element('host').classList.toggle('bad', !room);
  };

  const repeat = async () => {
    await poll();
    setTimeout(repeat, POLL_MS);
  };

  if (api) {
    bindButtons(api, () => ({ roomId, host: seen?.host }), poll);
    document.addEventListener('visibilitychange', poll);
    void repeat();
  } else {
    element('locked').hidden = false;
  }

  return {
    token,
    get host() {
      return seen?.host;
    },
    get moves() {
      return seen?.moves ?? 0;
    },
    watch(id) {
      roomId = id;
      for (const button of buttons()) button.disabled = !api;
      void poll();
    },
  };
}

function buttons(): HTMLButtonElement[] {
  return ['move', 'drain', 'reload']
    .map((id) => document.getElementById(id))
    .filter((found): found is HTMLButtonElement => found !== null);
}

function bindButtons(
  api: ControlApi,
  current: () => { roomId?: string; host?: string },
  refresh: () => Promise<void>,
): void {
  const bind = (id: string, progress: () => string, act: () => Promise<[string, string?]>) => {
    const button = document.getElementById(id) as HTMLButtonElement | null;
    button?.addEventListener('click', async () => {
      button.disabled = true;
      button.blur();
      const note = toast(progress());
      try {
        note.done(...(await act()));
      } catch (error) {
        note.failed(`${button.textContent} failed`, error instanceof Error ? error.message : String(error));
      }
      button.disabled = false;
      await refresh();
    });
  };

  bind(
    'move',
    () => 'Moving the room…',
    async () => {
      const { from, to, clients, blackoutMs } = await api.moveAway(current().roomId!);
      return [
        `Moved from ${from} to ${to}`,
        `${count(clients, 'connection')}, ${ms(blackoutMs)} standing still`,
      ];
    },
  );
  bind(
    'drain',
    () => `Draining ${current().host ?? 'the host'}…`,
    async () => {
      const host = current().host;
      if (!host) throw new Error('It is not known yet which host runs this room.');
      const { moved, rooms, refused, seconds } = await api.drain(host);
      const left = refused.length ? `; ${refused[0]!.roomId}: ${refused[0]!.reason}` : '';
      return [
        `Drained ${host}`,
        `${moved} of ${count(rooms, 'room')} moved in ${seconds.toFixed(1)} s${left}`,
      ];
    },
  );
  bind(
    'reload',
    () => 'Starting hosts with the code now on disk…',
    async () => {
      const { from, to, moved, seconds } = await api.reload();
      return [
        `Reloaded: ${from.join(', ')} → ${to.join(', ')}`,
        `${count(moved, 'room')} moved in ${seconds.toFixed(1)} s`,
      ];
    },
  );
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

export function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
