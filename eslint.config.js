import stylistic from '@stylistic/eslint-plugin'
import tseslint from 'typescript-eslint'

/** Forbids imports of `patterns` in `files`: the layers of the code. */
const layer = (files, patterns, ignores = []) => ({
  files, ignores, rules: { 'no-restricted-imports': ['error', { patterns: [...patterns, ...unshipped] }] }
})

/** Each statement of a block begins on a line of its own. */
const oneStatementPerLine = {
  meta: { type: 'layout', schema: [], messages: { sameLine: 'One statement a line.' } },
  create (context) {
    const check = (statements) => statements.forEach((node, index) => {
      const previous = statements[index - 1]
      if (previous?.loc.end.line === node.loc.start.line) context.report({ node, messageId: 'sameLine' })
    })
    return {
      Program: ({ body }) => check(body),
      BlockStatement: ({ body }) => check(body),
      SwitchCase: ({ consequent }) => check(consequent)
    }
  }
}

const unshipped = [
  { regex: '(^|/)(local|bench|test|testing)/', message: 'The server imports no local, bench, test or testing.' }
]
const noFastify = {
  regex: '^(fastify|fastify-plugin|@fastify/(?!error$).*)$',
  message: 'src/ uses no Fastify; only app.ts and server.ts do.'
}
const sessionsInside = { regex: '/sessions/(?!index\\.js$)', message: 'src/sessions/ is used through its index.' }

const kitOnly = {
  regex: '(^|/)(plugins|routes|bench|test|local/(?!cognito/))', message: 'The test kit uses src and local/cognito.'
}

export default tseslint.config(
  {
    ignores: [
      'dist/', 'dist-test/', '.data/', '.tap/', 'artifacts/', 'eslint.config.js',
      'test/package/consumer/' // an application of its own, compiled by its test
    ]
  },
  tseslint.configs.recommendedTypeChecked,
  stylistic.configs.customize({
    semi: false, quotes: 'single', commaDangle: 'never', braceStyle: '1tbs', arrowParens: true
  }),
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['test/run.js', 'test/javascript-only.cjs'] },
        tsconfigRootDir: import.meta.dirname
      }
    },
    plugins: { local: { rules: { 'one-statement-per-line': oneStatementPerLine } } },
    rules: {
      '@stylistic/space-before-function-paren': ['error', 'always'],
      '@stylistic/max-len': ['error', { code: 120, ignoreUrls: true }],
      '@stylistic/max-statements-per-line': 'off', // counts the body of `() => { x }` as a second statement
      'local/one-statement-per-line': 'error',
      'no-nested-ternary': 'error',
      '@stylistic/operator-linebreak': ['error', 'after', {
        overrides: { '?': 'before', ':': 'before', '|': 'before' }
      }],
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      '@typescript-eslint/require-await': 'off' // a Fastify plugin or hook is async by contract
    }
  },
  {
    // Scripts that a browser or npm loads as they are: no TypeScript project has them.
    files: ['examples/**/*.js', 'scripts/*.js'],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: { parserOptions: { projectService: false } }
  },
  {
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-floating-promises': ['error', {
        allowForKnownSafeCalls: [{ from: 'package', package: 'tap', name: 'test' }]
      }]
    }
  },
  layer(['src/**'], [
    noFastify,
    { regex: '/(plugins|routes)/|^(\\.\\./)+index\\.js$', message: 'src/ is the bottom layer.' }
  ], ['src/app.ts', 'src/server.ts']),
  layer(['src/app.ts', 'src/server.ts'], [
    { regex: '/(plugins|routes)/', message: 'Only index.ts puts plugins and routes together.' }
  ]),
  layer(['src/sessions/**'], [
    { regex: '^\\.\\./', message: 'src/sessions/ is published alone, so it uses nothing outside.' },
    noFastify
  ]),
  { files: ['testing/**'], rules: { 'no-restricted-imports': ['error', { patterns: [kitOnly, sessionsInside] }] } },
  layer(['plugins/**'], [
    sessionsInside,
    { regex: '^\\./|/routes/', message: 'A plugin reaches another through its decorator and `dependencies`.' }
  ]),
  layer(['routes/**'], [
    sessionsInside,
    { regex: '^\\./|/plugins/', message: 'A route reaches a plugin through its decorator and `dependencies`.' },
    {
      regex: '^(pg|jose|@fastify/(?!type-provider-typebox$).*)$',
      message: 'A route uses decorators, not the libraries behind them.'
    }
  ])
)
