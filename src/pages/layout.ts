import { createHash } from 'node:crypto'
import { html } from 'ghtml'
import type { View } from './view.js'

/** The name of the portals, above the card and in the title. */
const NAME = 'CashSouk'

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, -apple-system, sans-serif;
  --page: #eef2f0; --card: #fff; --text: #17211c; --muted: #4d5b54; --line: #7d8a83;
  --accent: #07743a; --on-accent: #fff; --hover: #065c2e; --soft: #e4f3ea }
@media (prefers-color-scheme: dark) { :root {
  --page: #111614; --card: #1b2320; --text: #e8eeeb; --muted: #a8b5ae; --line: #77857e;
  --accent: #46c98a; --on-accent: #06190f; --hover: #6adba4; --soft: #16352a } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; padding: 2rem 1rem; display: grid; align-content: center;
  justify-items: center; background: var(--page); color: var(--text) }
header, main { width: min(28rem, 100vw - 2rem) }
header { margin: 0 0 1rem; padding: 0 .25rem; font-weight: 700; font-size: 1.125rem; color: var(--accent) }
main { padding: 1.5rem; border-radius: .75rem; background: var(--card);
  box-shadow: 0 1px 2px #0002, 0 4px 24px #0001 }
@media (min-width: 30rem) { main { padding: 2rem } }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere }
p { margin: 0 0 .75rem }
.notice { margin-bottom: 1.25rem; padding: .75rem 1rem; border-radius: .5rem; background: var(--soft);
  font-weight: 600 }
.exits { display: grid; gap: .75rem; margin-top: 1.5rem }
form { display: grid; margin: 0 }
.button, button { display: block; min-height: 2.75rem; padding: .625rem 1rem;
  border: 1px solid var(--accent); border-radius: .5rem; background: var(--accent); color: var(--on-accent);
  font: inherit; font-weight: 600; text-align: center; text-decoration: none; overflow-wrap: anywhere;
  cursor: pointer }
.button:hover, button:hover { border-color: var(--hover); background: var(--hover) }
.secondary, button.secondary { border-color: var(--line); background: transparent; color: var(--text) }
.secondary:hover, button.secondary:hover { border-color: var(--accent); background: var(--soft) }
a:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px }
dl { margin: 1rem 0 0; display: grid; gap: .75rem }
dt { color: var(--muted); font-size: .875rem }
dd { margin: 0; overflow-wrap: anywhere }
.sessions { margin: 1rem 0 0; padding: 0; display: grid; gap: 1rem; list-style: none }
.sessions li { padding: 1rem; border: 1px solid var(--line); border-radius: .5rem }
.sessions dl { margin-top: .5rem; gap: .25rem }
.sessions dl div { display: flex; flex-wrap: wrap; justify-content: space-between; column-gap: 1rem }
.sessions form { margin-top: 1rem }
h2, h3 { margin: 0; font-size: 1.125rem; line-height: 1.25; overflow-wrap: anywhere }
.part { margin-top: 1.5rem }
.mark { display: inline-block; padding: .125rem .5rem; border-radius: .25rem; background: var(--soft);
  font-size: .875rem }
.details { margin-top: 1.5rem; padding-top: 1rem; border-top: 1px solid var(--line); gap: .5rem;
  font-size: .875rem }
code { font: .875rem/1.5 ui-monospace, monospace; -webkit-user-select: all; user-select: all }
`

/** The source that allows the style sheet in a Content-Security-Policy. */
export const styleHash = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`

/** @param content HTML; the title is text. */
export function layout ({ language }: View, content: { title: string, body: string, head?: string }): string {
  const { title, body, head = '' } = content
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">!${head}
<title>${title} – ${NAME}</title>
<style>!${STYLE}</style>
</head>
<body>
<header>${NAME}</header>
<main>!${body}</main>
</body>
</html>
`
}
