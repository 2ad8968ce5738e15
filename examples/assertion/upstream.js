// An application behind a proxy that asks cashsouk-auth. It believes what the header x-auth-assertion proves.
//
//   AUTH_URL=https://auth.example.com node upstream.js
import { createServer } from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { AUTH_URL, AUDIENCE = AUTH_URL, PORT = '8000' } = process.env

const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', AUTH_URL))

/** Who is signed in. Rejects unless the assertion is by AUTH_URL, for AUDIENCE, and holds. */
async function check (assertion) {
  const { payload } = await jwtVerify(assertion, keys, {
    issuer: AUTH_URL,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    requiredClaims: ['sub', 'iat', 'exp'],
    clockTolerance: 10 // seconds
  })
  return payload
}

const server = createServer((request, response) => {
  check(request.headers['x-auth-assertion'] ?? '').then(
    (user) => response.setHeader('content-type', 'application/json').end(JSON.stringify(user)),
    () => response.writeHead(401).end('Sign in first')
  )
})

server.listen(Number(PORT), '127.0.0.1', () => { console.log(`http://127.0.0.1:${server.address().port}`) })
