/**
 * The ways out of a page.
 *
 * @module
 */
import { html } from 'ghtml'

export interface ExitOptions {
  /** Not the way that most people want. */
  isSecondary?: boolean
}

export function linkButton (href: string, text: string, { isSecondary = false }: ExitOptions = {}): string {
  return html`<a class="!${isSecondary ? 'button secondary' : 'button'}" href="${href}">${text}</a>`
}

/** A form with nothing but its button. */
export function postButton (action: string, text: string, { isSecondary = false }: ExitOptions = {}): string {
  const button = isSecondary ? '<button class="secondary">' : '<button>'
  return html`<form method="post" action="${action}">!${button}${text}</button></form>`
}

export const exits = (buttons: readonly string[]): string => html`<div class="exits">
!${buttons.join('\n')}
</div>`
