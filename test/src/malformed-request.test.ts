import { test } from 'tap'
import { originForm } from '../../src/malformed-request.js'

const targets = [
  ['/', '/'], ['/a?b#c', '/a?b#c'], ['//a', '//a'], ['/http://a/b', '/http://a/b'],
  ['http://a', '/'], ['http://a/', '/'], ['http://a/b?c', '/b?c'], ['HTTPS://a:1/b', '/b'], ['http://u:p@a/b', '/b'],
  ['http://a?b', '/?b'], ['http:///b', '/b'], ['http://a//b', '//b'],
  ['*', '/%'], ['', '/%'], ['a/b', '/%'], ['ftp://a/b', '/%'], ['a:443', '/%'], ['\\a', '/%'], ['http:a', '/%']
] as const

for (const [target, path] of targets) {
  test(`the path of ${JSON.stringify(target)} is ${path}`, (t) => {
    t.equal(originForm(target), path)
    t.end()
  })
}
