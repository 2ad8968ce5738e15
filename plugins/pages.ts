import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { hasCookie } from '../src/cookie-header.js'
import { signedOutCookie } from '../src/cookies.js'
import { preferredLanguage, type View } from '../src/pages/index.js'

declare module 'fastify' {
  interface FastifyReply {
    /** Sends a page of `src/pages`, in the language that the browser prefers. */
    sendPage (render: (view: View) => string): FastifyReply
  }
}

/** Decorates the reply with `sendPage`. */
export default fp(async (fastify) => {
  const { config } = fastify
  const signedOutName = signedOutCookie(config).name

  fastify.decorateReply('sendPage', function (this: FastifyReply, render) {
    const view = viewOf(this.request)
    return this.type('text/html; charset=utf-8').header('content-language', view.language).send(render(view))
  })

  const viewOf = ({ headers }: FastifyRequest): View => ({
    language: preferredLanguage(headers['accept-language']),
    labels: config.ROLE_LABELS,
    signedOut: hasCookie(headers.cookie ?? '', (name) => name === signedOutName),
    prefix: config.prefix
  })
}, { name: 'pages', fastify: '5.x', dependencies: ['config'] })
