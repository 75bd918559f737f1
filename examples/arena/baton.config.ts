// What the studio registers: the name that clients ask for, and the functions that are called for it.

const port = Number(process.env['DUEL_FUNCTIONS_PORT'] ?? 2580);
// `npm start` makes a new one each time; a studio keeps one.
const secret = process.env['DUEL_SIGNING_SECRET'];

const functions = { url: `http://127.0.0.1:${port}/` };

export default {
  ...(secret ? { signing: { secrets: [secret] } } : {}),
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
