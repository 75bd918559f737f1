// What the studio registers: the name that clients ask for, and the functions that are called for it.

const port = Number(process.env['DUEL_FUNCTIONS_PORT'] ?? 2580);

const functions = { url: `http://127.0.0.1:${port}/` };

export default {
  mappings: {
    duel: {
      open: functions,
      close: functions,
      // The function only names sockets that are open, so a peer that is not there now will not come.
      waitTimeout: '10s',
      onPeerLeave: 'close',
      forward: 'peers',
    },
  },
};
