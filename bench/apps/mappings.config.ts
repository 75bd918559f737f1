// The mappings of the benches' host: functions that let everybody in, pair them two by two, or hear
// what they say.
const base = process.env['BATON_BENCH_FUNCTIONS'];

export default {
  signing: { secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'] },
  mappings: {
    alone: { open: { url: `${base}/alone` } },
    pairs: { open: { url: `${base}/pairs` }, maxMessagesPerSecond: 1_000_000 },
    told: {
      open: { url: `${base}/alone` },
      forward: 'endpoint',
      receive: { url: `${base}/receive` },
      maxMessagesPerSecond: 1_000_000,
    },
  },
};
