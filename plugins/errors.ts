import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ERR_INTERNAL, ERR_NOT_FOUND, ERR_VALIDATION } from '../src/errors.js'
import { errorPage } from '../src/pages.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A browser navigates to this route: its errors are pages where `Accept` has `text/html`. */
    page?: boolean
  }
  interface FastifyRequest {
    /** Where the error page's button leads: the login again, with what is known of it. */
    retryUrl: string
    /** Where the error page leads at once by itself. Empty: nowhere. */
    restartUrl: string
    /** The error page says that the browser seems to keep no cookies. */
    cookiesOff: boolean
  }
}

/** What every error has, whoever raised it. */
interface RaisedError extends Error { statusCode?: unknown, code?: unknown }

/**
 * Answers errors as `{ statusCode, code, message, requestId }`, or as a page for a browser. The message
 * of a 5xx is the status' standard phrase: what happened stays in the log.
 */
export default fp(async (fastify) => {
  fastify.decorateRequest('retryUrl', '/api/auth/login')
  fastify.decorateRequest('restartUrl', '')
  fastify.decorateRequest('cookiesOff', false)
  fastify.setErrorHandler((thrown: unknown, request, reply) => {
    const raised: RaisedError = thrown instanceof Error ? thrown : new Error('What was thrown is no error', { cause: thrown })
    const error = known(raised)
    const { statusCode, code } = error
    // A probe that meets a draining server is no incident.
    const level = statusCode >= 500 && code !== 'ERR_DRAINING' ? 'error' : 'info'
    request.log[level]({ code, statusCode, reason: raised.message, cause: reasonOf(raised.cause), stack: code === 'ERR_INTERNAL' ? raised.stack : undefined }, 'Request failed')
    return answer(request, reply, error)
  })

  fastify.setNotFoundHandler((request, reply) => answer(request, reply, new ERR_NOT_FOUND() as KnownError))
}, { name: 'errors', fastify: '5.x', dependencies: ['config'] })

interface KnownError extends Error { statusCode: number, code: string }

/** Our own errors as they are; Fastify's 4xx with their message; anything else is ERR_INTERNAL. */
function known (raised: RaisedError): KnownError {
  // The platform's own errors have numbers for codes (DOMException).
  const code = typeof raised.code === 'string' ? raised.code : ''
  const statusCode = typeof raised.statusCode === 'number' ? raised.statusCode : 500
  if (code.startsWith('ERR_') && raised.statusCode === statusCode) return raised as KnownError
  if (code === 'FST_ERR_VALIDATION') return new ERR_VALIDATION(raised.message) as KnownError
  if (statusCode >= 400 && statusCode < 500) return Object.assign(raised, { statusCode, code: code === '' ? 'ERR_VALIDATION' : code })
  return new ERR_INTERNAL({ cause: raised }) as KnownError
}

const reasonOf = (cause: unknown): string | undefined => cause instanceof Error ? cause.message : undefined

function answer (request: FastifyRequest, reply: FastifyReply, { statusCode, code, message }: KnownError) {
  const body = { statusCode, code, message: statusCode >= 500 ? STATUS_CODES[statusCode] ?? 'Error' : message, requestId: request.id }
  void reply.code(statusCode)
  if (request.routeOptions.config.page !== true || !acceptsHtml(request)) return reply.send(body)
  return reply.type('text/html; charset=utf-8').send(errorPage({ ...body, retryUrl: request.retryUrl, autoRetryUrl: request.restartUrl, cookiesBlocked: request.cookiesOff }))
}

const acceptsHtml = (request: FastifyRequest): boolean => request.headers.accept?.includes('text/html') === true
