/** What the process loads once its configuration is valid. A bundle has named exports of such a module only. @module */
export { default as Fastify } from 'fastify'
export { pino } from 'pino'
export { default as app, options } from './app.js'
