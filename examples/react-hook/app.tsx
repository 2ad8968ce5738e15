import { keepForm } from 'cashsouk-auth/client'
import { StrictMode, useEffect, useRef, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { auth, useSession } from './use-session.js'

function Portal () {
  const { status, session, reason, isWarned, secondsLeft } = useSession()
  if (status === 'unknown') return <p>…</p>
  if (session === undefined) {
    return (
      <p>
        {status === 'ended' ? `You are signed out (${reason ?? ''}). ` : ''}
        <button onClick={() => { auth.signIn() }}>Sign in</button>
      </p>
    )
  }
  return (
    <>
      <p>
        Signed in as
        {' '}
        {session.user.name}
        {' '}
        <button onClick={() => { void auth.signOut() }}>Sign out</button>
      </p>
      {isWarned && (
        <p>
          {secondsLeft}
          {' '}
          s left
          {' '}
          <button onClick={() => { void auth.extend() }}>Stay signed in</button>
        </p>
      )}
      <Notes />
    </>
  )
}

/** A form whose text survives a new sign-in. */
function Notes () {
  const form = useRef<HTMLFormElement>(null)
  const [notes, setNotes] = useState('')
  useEffect(() => form.current === null ? undefined : keepForm(auth, form.current), [])
  return (
    <form ref={form} name="notes">
      <textarea name="notes" aria-label="Notes" value={notes} onChange={({ target }) => { setNotes(target.value) }} />
      <output>
        {notes.length}
        {' '}
        characters
      </output>
    </form>
  )
}

const root = document.getElementById('root')
if (root !== null) createRoot(root).render(<StrictMode><Portal /></StrictMode>)
