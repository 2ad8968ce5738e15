import { readKept, writeKept, type Values } from './storage.js'
import type { AuthClient } from './types.js'

/** Types of fields, and words of `autocomplete`. */
const SKIPPED = /password|hidden|\bfile|\boff\b|one-time-code|\bcc-/i

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement

/**
 * Keeps what the user has typed into a form when the page is left for a new sign-in, and fills it in when the same
 * user is back on the same page, signed in. Then, after an hour, after a sign-out and when another user has signed
 * in, it is gone.
 *
 * Left out are passwords, hidden fields, files, fields with `autocomplete="off"` (their own, or the form's), card
 * numbers and one-time codes by their `autocomplete`, and fields without a name. More than 65,536 characters in all
 * are not kept.
 *
 * Several forms of a page are told apart by their `id` or `name`.
 *
 * @param onRestore the form has been filled in.
 * @returns a function after which the form is no longer kept.
 */
export function keepForm (auth: AuthClient, form: HTMLFormElement, onRestore?: () => void): () => void {
  const name = form.id || form.name
  const fields = () => ([...form.elements] as Field[]).filter((field) =>
    field.name && 'autocomplete' in field && !passwords.has(field) &&
    !SKIPPED.test(`${field.type} ${field.autocomplete || form.autocomplete}`))
  // A button that shows the password makes it a text field.
  const passwords = new Set<Element>(form.querySelectorAll('[type=password]'))
  /** Whose the text is: the first user that the page has seen. */
  let owner: string | undefined

  const save = () => {
    if (!owner) return
    const page = location.href
    const earlier = readKept(owner)
    const values: Values = {}
    for (const field of fields()) (values[field.name] ??= []).push(valueOf(field))
    const forms = { ...(earlier?.page === page ? earlier.forms : {}), [name]: values }
    writeKept({ page, sub: owner, at: Date.now(), forms })
  }
  const restore = () => {
    const { state } = auth
    if (state.status !== 'signed-in') return
    const { sub } = state.session.user
    owner ??= sub
    const kept = readKept(sub)
    const values = kept?.forms[name]
    if (!values || kept?.page !== location.href || owner !== sub) return
    delete kept.forms[name]
    writeKept(kept)
    for (const field of fields()) fill(field, values[field.name]?.shift())
    onRestore?.()
  }
  restore()
  return auth.subscribe(({ type }) => {
    if (type === 'leave') save()
    else restore()
  })
}

const isTicked = ({ type }: Field): boolean => type === 'checkbox' || type === 'radio'

const valueOf = (field: Field): string | boolean | string[] => {
  if (isTicked(field)) return (field as HTMLInputElement).checked
  return 'options' in field ? [...field.selectedOptions].map(({ value }) => value) : field.value
}

function fill (field: Field, value?: string | boolean | string[]): void {
  if (value === undefined) return
  if (isTicked(field)) {
    if ((field as HTMLInputElement).checked !== value) field.click()
    return
  }
  if ('options' in field) {
    for (const option of field.options) option.selected = (value as string[]).includes(option.value)
  // The prototype's setter: React hides it behind one of its own, and then ignores the event.
  } else Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value')?.set?.call(field, value)
  for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, { bubbles: true }))
}
