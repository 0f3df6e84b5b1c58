// Who may import whom. ARCHITECTURE.md has the picture; test/house/imports.test.ts runs this.
const core = ['gotrace', 'perf', 'clock', 'stacks', 'timeline', 'measures', 'findings', 'analysis']
const from = (folders) => ({ path: `^src/(${folders.join('|')})/` })

/** Left to right: each folder of the core may import itself and the folders before it in this list. */
const mayImport = {
  gotrace: [],
  perf: [],
  clock: [],
  stacks: ['gotrace', 'perf'],
  timeline: ['clock', 'gotrace', 'perf', 'stacks'],
  measures: ['clock', 'timeline', 'gotrace', 'perf', 'stacks'],
  findings: ['measures', 'clock', 'timeline', 'stacks'],
  analysis: ['gotrace', 'perf', 'clock', 'stacks', 'timeline', 'measures', 'findings'],
}

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Data flows left to right.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'core-does-no-io',
      severity: 'error',
      comment: 'The core is pure: no Node module, so no files, processes, sockets or clocks.',
      from: from(core),
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'core-needs-no-package',
      severity: 'error',
      comment: 'The core imports no npm package.',
      from: from(core),
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'] },
    },
    ...Object.entries(mayImport).map(([folder, allowed]) => ({
      name: `${folder}-stays-in-its-place`,
      severity: 'error',
      comment: `src/${folder} may import only itself${allowed.length === 0 ? '' : `, ${allowed.join(', ')}`} and src/errors.ts.`,
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: `^src/(errors\\.ts$|(${[folder, ...allowed].join('|')})/)` },
    })),
    {
      name: 'status-knows-nobody',
      severity: 'error',
      comment: 'It answers for any process: what it shows is handed to it.',
      from: { path: '^src/status/' },
      to: { path: '^src/', pathNot: '^src/(errors\\.ts$|status/)' },
    },
    {
      name: 'nobody-imports-the-cli',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'kafkajs-behind-transport',
      severity: 'error',
      comment: 'Swapping the Kafka client must touch one folder.',
      from: { path: '^src/', pathNot: '^src/(transport|stack)/' },
      to: { path: 'node_modules/kafkajs' },
    },
    {
      name: 'questdb-client-behind-store',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/store/' },
      to: { path: 'node_modules/@questdb' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
}
