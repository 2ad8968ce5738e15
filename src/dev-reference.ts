/**
 * Loads the document of the API and its page from `local/`, which neither the image nor the package has.
 *
 * @module
 */
import { access } from 'node:fs/promises'

/** A route as Fastify's `onRoute` hook knows it. */
export interface DescribedRoute { method: string | string[], url: string, schema?: unknown }

export interface ReferenceOptions {
  /** The path of the page. The document is beside it, as `json`. */
  path: string
  /** The name of the session cookie. */
  cookieName: string
}

export interface Reference {
  inject (request: { url: string }): Promise<{
    statusCode: number
    headers: Record<string, number | string | string[] | undefined>
    rawPayload: Buffer
  }>
  close (): PromiseLike<unknown>
}

type StartReference = (routes: readonly DescribedRoute[], options: ReferenceOptions) => Promise<Reference>

const LOCAL = new URL('../local/openapi/index.js', import.meta.url)

export const hasReference = (): Promise<boolean> => access(LOCAL).then(() => true, () => false)

/** Takes the time of loading two libraries. */
export async function startReference (
  routes: readonly DescribedRoute[], options: ReferenceOptions
): Promise<Reference> {
  const local = await import(LOCAL.href) as { startReference: StartReference }
  return local.startReference(routes, options)
}
