import fp from 'fastify-plugin'
import { announcesBody } from '../src/unread-body.js'

/** Methods whose body is never read. */
const WITHOUT_BODY = ['GET', 'HEAD']

/**
 * Closes the connection after a GET that announces a body. nginx asks by GET for a visitor's POST, and hands on its
 * `Content-Length` without the body. On a connection that is kept, the next request would be read as that body.
 */
export default fp(async (fastify) => {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (WITHOUT_BODY.includes(request.method) && announcesBody(request.headers)) {
      void reply.header('connection', 'close')
    }
    done()
  })
}, { name: 'unread-body', fastify: '5.x' })
