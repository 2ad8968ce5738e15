// An application that knows nothing of sessions. It believes its proxy, and listens for it alone.
import { createServer } from 'node:http'

const html = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const decoded = (text) => html(decodeURIComponent(text))

createServer((request, response) => {
  const { 'x-auth-user': user, 'x-auth-email': email = '', 'x-auth-role': role = '' } = request.headers
  if (user === undefined) {
    response.writeHead(500).end('The proxy did not say who you are.\n')
    return
  }
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(`<!doctype html>
<html lang="en">
<title>Portal</title>
<h1>Portal</h1>
<p>You are ${decoded(email)} (${decoded(user)}), as ${decoded(role)}, at ${html(request.url)}.</p>
<form method="post" action="/api/auth/logout"><button>Sign out</button></form>
</html>
`)
}).listen(4000, '127.0.0.1', () => { console.log('listening on http://127.0.0.1:4000') })
