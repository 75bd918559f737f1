// The mappings of the benches' host: functions that let everybody in, and pair them two by two.
const base = process.env['BATON_BENCH_FUNCTIONS'];

export default {
  signing: { secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'] },
  mappings: {
    alone: { open: { url: `${base}/alone` } },
    pairs: { open: { url: `${base}/pairs` }, maxMessagesPerSecond: 1_000_000 },
  },
};
