// The names that clients ask for, and the functions that the service calls for them.
const url = process.env['MATCHMAKER_URL'];

export default {
  mappings: {
    duel: { open: { url }, close: { url }, onPeerLeave: 'close' },
  },
};
