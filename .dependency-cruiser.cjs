// Who may import whom. The core is pure, effects live at the rim, one place constructs everything: src/cli/wire.ts.
const types = ['type-only'];

/** Files of `from` may import of src only what `allowed` matches. */
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: allowed },
});

/** The same, where `typesOf` may be imported as types besides. */
const onlyAndTypes = (name, from, allowed, typesOf, comment) => [
  only(name, from, [...allowed, ...typesOf], comment),
  {
    name: `${name}-types`,
    comment: `${comment} Of these it may know the types only.`,
    severity: 'error',
    from: { path: from },
    to: { path: typesOf, pathNot: allowed, dependencyTypesNot: types },
  },
];

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Types may point at each other; what runs may not.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: types } },
    },
    {
      name: 'core-is-pure',
      comment: 'No I/O, clock, environment or randomness in the core: of Node it may have createHash.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: 'core-has-few-libraries',
      comment: 'The core may use the YAML parser, the comparison of texts and a hash in plain JavaScript.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { path: '^node_modules/', pathNot: '^node_modules/(js-yaml|diff|@noble/hashes)/' },
    },
    only('core-stands-alone', '^src/core/', ['^src/core/'], 'The core imports nothing else of sbx.'),
    {
      name: 'rules-are-pure',
      comment: 'Rules of kinds, and all that they reach, are on the pure side.',
      severity: 'error',
      from: { path: '^src/kinds/[^/]+/rules\\.ts$' },
      to: { path: '^src/(?!core/|kinds/)', reachable: true },
    },
    only('vmm-data-is-pure', '^src/vmm/[^/]+/(convert|capabilities)\\.ts$', ['^src/core/', '^src/vmm/'], 'Conversion and capabilities are data.'),
    only('host-knows-core', '^src/host/', ['^src/core/', '^src/host/'], 'The host layer knows nothing of sandboxes.'),
    ...onlyAndTypes('store-knows-host', '^src/store/', ['^src/core/', '^src/host/', '^src/store/'], ['^src/vmm/driver\\.ts$'], 'The store knows files, not VMs.'),
    only('images-know-host', '^src/images/', ['^src/core/', '^src/host/', '^src/images/', '^src/store/'], 'Images know the host and the home.'),
    ...onlyAndTypes('guest-knows-host', '^src/guest/', ['^src/core/', '^src/host/', '^src/guest/'], ['^src/vmm/driver\\.ts$', '^src/store/'], 'Guests are reached through streams that others open.'),
    only('vmm-knows-host', '^src/vmm/', ['^src/core/', '^src/host/', '^src/vmm/'], 'A driver speaks to its VMM and the host.'),
    {
      name: 'drivers-are-apart',
      comment: 'A driver knows nothing of the others.',
      severity: 'error',
      from: { path: '^src/vmm/([^/]+)/' },
      to: { path: '^src/vmm/([^/]+)/', pathNot: '^src/vmm/$1/' },
    },
    {
      name: 'drivers-are-hidden',
      comment: 'Above src/vmm only the table of drivers and their interface are known.',
      severity: 'error',
      from: { pathNot: '^src/vmm/' },
      to: { path: '^src/vmm/[^/]+/' },
    },
    ...onlyAndTypes('engine-gets-arguments', '^src/engine/', ['^src/core/', '^src/engine/'], ['^src/vmm/driver\\.ts$', '^src/host/', '^src/store/'], 'Kinds, drivers and store arrive as arguments.'),
    ...onlyAndTypes('ui-subscribes', '^src/ui/', ['^src/core/', '^src/ui/'], ['^src/engine/events\\.ts$'], 'Views know the core and the events of the engine.'),
    only('nothing-imports-cli', '^src/(?!cli/|main\\.ts$)', ['^src/(?!cli/)'], 'The command line is on top.'),
    {
      name: 'lazy-ink',
      comment: 'Ink and React are loaded only when they draw.',
      severity: 'error',
      from: { pathNot: '^src/ui/ink/ink-view\\.tsx$' },
      to: { path: '^node_modules/(ink|react)/' },
    },
    {
      name: 'lazy-libraries',
      comment: 'Costly on every start: to be imported where they are used.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^node_modules/(undici|re2js|execa|diff)/', dependencyTypesNot: ['dynamic-import', ...types], dynamic: false },
    },
    {
      name: 'no-development-packages',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown'] , dependencyTypesNot: types },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
