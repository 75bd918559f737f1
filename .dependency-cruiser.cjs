/** Arrows go down only: see docs/architecture.md. A folder may import the ones after it in this list. */
const layers = [
  'cli',
  'supervisor',
  'host',
  'dashboard',
  'control',
  'sockets',
  'mappings',
  'functions',
  'tenants',
  'calls',
  'migration',
  'transport',
  'handoff',
  'store',
  'telemetry',
  'colyseus',
];
const below = (name) => layers.slice(layers.indexOf(name) + 1);
const independent = {
  handoff: ['store'],
  calls: ['migration', 'transport', 'handoff'],
  tenants: ['migration', 'transport', 'handoff'],
  mappings: ['migration', 'transport', 'handoff'],
};

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-orphans-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...layers.map((layer) => ({
      name: `layer-${layer}`,
      severity: 'error',
      from: { path: `^server/src/${layer}/` },
      to: {
        path: '^server/src/[^/]+/',
        pathNot: `^server/src/(${[layer, ...below(layer)].filter((l) => !(independent[layer] ?? []).includes(l)).join('|')})/`,
      },
    })),
    {
      name: 'packages-apart',
      severity: 'error',
      from: { path: '^(client-sdk|matchmaker-functions)/src' },
      to: { path: '^server/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['baton-source', 'import', 'node', 'default'],
    },
  },
};
