// Who may import whom: the map of AGENTS.md, checked by `npm run check`.
const typeOnly = ['type-only'];

/** Files of `from` reach nothing of ours but `to`; `types` may be imported as types. */
const only = (name, from, to, types = []) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: [...to, ...types] },
});

/** What a room may name as types is no import at run time. */
const typesOnly = (name, from, types) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: types, dependencyTypesNot: typeOnly },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: typeOnly } } },
    {
      name: 'core-is-pure',
      comment: 'No input and output, clock, environment or randomness in core; hashes are fine.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: 'core-packages',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { dependencyTypes: ['npm', 'npm-dev'], pathNot: '/(js-yaml|diff|ajv)/' },
    },
    only('core', '^src/core/', ['^src/core/']),
    {
      name: 'kind-rules-are-pure',
      severity: 'error',
      from: { path: '^src/kinds/.*rules\\.ts$' },
      to: { path: '^src/(host|guest|images|engine|vmm|store|cli|ui)/', reachable: true },
    },
    {
      name: 'wire-formats-are-pure',
      severity: 'error',
      from: { path: '^src/vmm/[^/]+/(convert|capabilities|argv)\\.ts$' },
      to: { path: '^src/(host|guest|images|engine|store|cli|ui)/', reachable: true },
    },
    only('host', '^src/host/', ['^src/core/', '^src/host/']),
    only('store', '^src/store/', ['^src/core/', '^src/host/', '^src/store/'], ['^src/vmm/driver', '^src/engine/']),
    typesOnly('store-types', '^src/store/', '^src/(vmm|engine)/'),
    only('images', '^src/images/', ['^src/core/', '^src/host/', '^src/images/'], ['^src/store/']),
    only('guest', '^src/guest/', ['^src/core/', '^src/host/', '^src/guest/'], ['^src/vmm/driver', '^src/store/']),
    typesOnly('guest-types', '^src/guest/', '^src/vmm/'),
    only('vmm', '^src/vmm/', ['^src/core/', '^src/host/', '^src/vmm/']),
    { ...only('vmm-apart', '^src/vmm/([^/]+)/', []), to: { path: '^src/vmm/[^/]+/', pathNot: '^src/vmm/$1/' } },
    only('engine', '^src/engine/', ['^src/core/', '^src/engine/'], ['^src/vmm/driver', '^src/store/', '^src/kinds/']),
    typesOnly('engine-types', '^src/engine/', '^src/(vmm|store|kinds)/'),
    only('ui', '^src/ui/', ['^src/core/', '^src/ui/'], ['^src/engine/events']),
    typesOnly('ui-types', '^src/ui/', '^src/engine/'),
    {
      name: 'nothing-imports-cli',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/cli/', '^src/main', '^src/launcher'] },
      to: { path: '^src/cli/' },
    },
    {
      name: 'not-to-dev-packages',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], pathNot: '/@types/' },
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'types'] },
  },
};
