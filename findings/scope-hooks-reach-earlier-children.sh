#!/usr/bin/env bash
# What one would expect of Fastify's encapsulation: a plugin inherits what its parent has when the plugin is registered.
# A hook or decorator that the parent gets later is not in it.
#
# What happens in Fastify 5.12.8: a hook that the parent gets after the child was loaded, and awaited, runs for the
# child's routes as well, and a decorator that it gets later is seen there. So the last line of an application, "a hook for
# my own routes below", also runs in every plugin above it. Only a hook of a sibling scope stays out.
#
# expected:
# not awaited: hook ran, decorator seen
# awaited: hook ran, decorator seen
# end
. "$(dirname "$0")/lib.sh"
install fastify@5.12.8
run <<'JS'
import Fastify from 'fastify'
for (const isAwaited of [false, true]) {
  const app = Fastify()
  let ran = false
  const child = async (scope) => {
    scope.get('/', async () => scope.late === undefined ? 'not seen' : 'seen')
  }
  const registering = app.register(child)
  if (isAwaited) await registering
  app.addHook('onRequest', async () => { ran = true })
  app.decorate('late', true)
  const { body } = await app.inject('/')
  console.log(`${isAwaited ? 'awaited' : 'not awaited'}: hook ${ran ? 'ran' : 'did not run'}, decorator ${body}`)
}
JS
