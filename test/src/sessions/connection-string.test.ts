import pg from 'pg'
import { test } from 'tap'
import { connectionOptions, connectionStringProblem } from '../../../src/sessions/connection-string.js'

/** Those that the driver reads as they are meant, with what it reads. */
const usable: Record<string, object> = {
  'postgres://user:password@host:5432/db': {
    user: 'user', password: 'password', host: 'host', port: 5432, database: 'db'
  },
  'postgresql://user@my_host.example.com': { user: 'user', host: 'my_host.example.com', database: 'user' },
  'postgres://user:p%40s%2Fs%23w%3Fo%3Ar%25d@host/db': { password: 'p@s/s#w?o:r%d', host: 'host' },
  'postgres://user:a:b@host/db': { user: 'user', password: 'a:b', host: 'host' },
  'postgres://user:50%off@host/db': { password: '50%off', host: 'host' },
  'postgres://user:a b@host/db': { password: 'a b', host: 'host' },
  'postgres://user:!$&\'()*+,;=[]{}|^~`"<>@host/db': { password: '!$&\'()*+,;=[]{}|^~`"<>', host: 'host' },
  'postgres://user@127.0.0.1/db?application_name=a/b': { host: '127.0.0.1', database: 'db' },
  'postgres://user@[::1]:5433/db': { host: '::1', port: 5433 },
  'postgres://user@bücher.example/db': { host: 'bücher.example' },
  'postgres://user:password@host/db\n': { host: 'host', database: 'db' },
  'postgresql://user:pw@/db?host=/cloudsql/project:region:instance': {
    user: 'user', password: 'pw', host: '/cloudsql/project:region:instance', database: 'db'
  },
  'postgres://user:pw@%2Fvar%2Frun%2Fpostgresql/db': { host: '/var/run/postgresql', database: 'db' },
  'postgres:///db?host=/tmp&port=5433': { host: '/tmp', port: 5433, database: 'db' },
  'postgres://': { host: 'localhost' },
  '/var/run/postgresql db': { host: '/var/run/postgresql', database: 'db' },
  'socket:/tmp?db=db': { host: '/tmp', database: 'db' }
}
for (const [text, expected] of Object.entries(usable)) {
  test(`${JSON.stringify(text)} can be used`, (t) => {
    t.equal(connectionStringProblem(text), undefined)
    t.match(new pg.Client(text), expected)
    t.same(connectionOptions(text), { connectionString: text })
    t.end()
  })
}

test('a connection string may have several hosts', (t) => {
  for (const text of [
    'postgres://user:password@a:5432,b:5432/db?target_session_attrs=read-write', 'postgres://user:password@a,b/db',
    'postgres://user:password@/db?host=a,b', 'postgres://user:password@/db?host=a,/tmp&port=1,2'
  ]) {
    t.equal(connectionStringProblem(text), undefined, text)
  }
  t.end()
})

const AMBIGUOUS = /ambiguous.*%40/
const unusable: Record<string, RegExp> = {
  'postgres://app:hidden@kitten@host/db': AMBIGUOUS,
  'postgres://app:1@hidden/kitten@host/db': AMBIGUOUS,
  'postgres://app:1@hidden?kitten@host/db': AMBIGUOUS,
  'postgres://app:1@hidden#kitten@host/db': AMBIGUOUS,
  'postgres://app:1/hidden@host/db': AMBIGUOUS,
  'postgres://app:1?hidden@host/db': AMBIGUOUS,
  'postgres://app:1?hidden=x@host/db': AMBIGUOUS,
  'postgres://app:1#hidden@host/db': AMBIGUOUS,
  'postgres://app:hidden/kitten@host/db': AMBIGUOUS,
  'postgres://app:hidden@host/kitten@db': AMBIGUOUS,
  'postgres://app:pw@host/db#hidden': AMBIGUOUS,
  'postgres://app:hidden%fe@host/db': /valid URL/,
  'postgres://app:pw@host/hidden%': /valid URL/,
  'postgres://app:pw@hid$den/db': /valid URL/,
  'postgres://app:pw@hid den/db': /valid URL/,
  'postgres://app:pw@host:hidden/db': /valid URL/,
  'postgres://app:pw@host:65536/db': /valid URL/,
  'postgres://app:pw@hidden:1:2/db': /valid URL/,
  'postgres://app:pw@:5432/db': /valid URL/,
  'host=hidden password=hidden': /URL such as/,
  'app:hidden@host/db': /URL such as/,
  'postgres://app:hidden@a:5432,hid$den:5432/db?target_session_attrs=read-write': /valid URL/,
  'postgres://app:hidden@a,b:65536/db': /valid URL/,
  'postgres://app:hidden@a,,b/db': /empty name/,
  'postgres://app:hidden@a,b,/db': /empty name/,
  'postgres://app:hidden@/db?host=a,': /empty name/,
  'postgres://app:hidden@/db?host=a,b&port=1,2,3': /number of ports/,
  'postgres://app:hidden@a,b/db?port=1,2': /number of ports/,
  'postgres://app:hidden@a,b/db?target_session_attrs=standby': /read-write, primary or any/,
  'postgres://app:hidden@a/db?target_session_attrs=read-only': /read-write, primary or any/,
  'postgres://app:hidden@a,b/db?scramMaxIterations=1e6': /scramMaxIterations/,
  'postgres://app:hidden@host/db?scramMaxIterations=-1': /scramMaxIterations/,
  'postgres://app:hidden@host/db?scramMaxIterations=': /scramMaxIterations/,
  'postgres://app:hidden@host/db?scramMaxIterations=1e6': /scramMaxIterations/
}
for (const [text, expected] of Object.entries(unusable)) {
  test(`${JSON.stringify(text)} is refused, and not quoted`, (t) => {
    const problem = connectionStringProblem(text)
    t.match(problem, expected)
    t.notMatch(problem, /hidden|kitten|app/)
    t.end()
  })
}

test('scramMaxIterations is an option of the driver', (t) => {
  const text = 'postgres://user@host/db?scramMaxIterations=250000'
  t.same(connectionOptions(text), { connectionString: text, scramMaxIterations: 250_000 })
  t.end()
})
