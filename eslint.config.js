import stylistic from '@stylistic/eslint-plugin'
import tseslint from 'typescript-eslint'

/** Forbids `patterns` in `files`: this is where the layers of the README are enforced. */
const layer = (files, patterns, ignores = []) => ({
  files, ignores, rules: { 'no-restricted-imports': ['error', { patterns: [...patterns, ...unshipped] }] }
})

const unshipped = [{ regex: '(^|/)(local|bench|test)/', message: 'Nothing that ships imports local, bench or test.' }]

export default tseslint.config(
  { ignores: ['dist/', 'dist-test/', '.tap/', 'artifacts/', 'eslint.config.js'] },
  tseslint.configs.recommendedTypeChecked,
  stylistic.configs.customize({ semi: false, quotes: 'single', commaDangle: 'never', braceStyle: '1tbs', arrowParens: true }),
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['test/run.js', 'test/javascript-only.cjs'] }, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@stylistic/space-before-function-paren': ['error', 'always'],
      '@stylistic/max-statements-per-line': 'off',
      '@stylistic/operator-linebreak': ['error', 'after', { overrides: { '?': 'before', ':': 'before', '|': 'before' } }],
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      '@typescript-eslint/require-await': 'off' // a Fastify plugin or hook is async by contract
    }
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
    { regex: '^(fastify|fastify-plugin|@fastify/(?!error$).*)$', message: 'src/ knows no Fastify; only app.ts and server.ts do.' },
    { regex: '/(plugins|routes)/', message: 'src/ is the bottom layer.' }
  ], ['src/app.ts', 'src/server.ts']),
  layer(['src/app.ts', 'src/server.ts'], []),
  layer(['src/sessions/**'], [
    { regex: '^\\.\\./', message: 'src/sessions/ is published alone: it needs pg, and nothing else of ours.' },
    { regex: '^(fastify|fastify-plugin|@fastify/(?!error$).*)$', message: 'src/ knows no Fastify; only app.ts and server.ts do.' }
  ]),
  layer(['plugins/**'], [
    { regex: '^\\./|/routes/', message: 'A plugin reaches another through its decorator and `dependencies`.' }
  ]),
  layer(['routes/**'], [
    { regex: '^\\./|/plugins/', message: 'A route reaches a plugin through its decorator and `dependencies`.' },
    { regex: '^(pg|jose|@fastify/(?!type-provider-typebox$).*)$', message: 'A route uses decorators, not the libraries behind them.' }
  ])
)
