#!/usr/bin/env bash
# RFC 6749 §6: the answer to a refresh may leave the refresh token out, and the client goes on with the one that it has.
# Amazon Cognito answers so unless rotation is on. simple-oauth2 returns a token without it: an application that stores
# what `refresh()` gives can refresh once. The next one sends an empty refresh token, and no error says why.
#
# expected:
# first token: access token 1, refresh token r1
# refresh() sends: grant_type=refresh_token&refresh_token=r1
# after it: access token 2, refresh token undefined
# refresh() of that sends: grant_type=refresh_token&refresh_token=
# end
. "$(dirname "$0")/lib.sh"
install simple-oauth2@5.1.0
run <<'JS'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { AuthorizationCode } from 'simple-oauth2'
let issued = 1
let sent
const server = createServer(async (request, response) => {
  sent = new URLSearchParams(await text(request))
  sent.sort()
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ access_token: String(++issued), token_type: 'Bearer', expires_in: 3600 }))
})
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve) })
const client = new AuthorizationCode({
  client: { id: 'id', secret: 'secret' }, auth: { tokenHost: `http://127.0.0.1:${server.address().port}` }
})
const tell = ({ token }) => `access token ${token.access_token}, refresh token ${token.refresh_token}`
const first = client.createToken({ access_token: '1', refresh_token: 'r1', expires_in: 3600 })
console.log(`first token: ${tell(first)}`)
const second = await first.refresh()
console.log(`refresh() sends: ${sent}`)
console.log(`after it: ${tell(second)}`)
await second.refresh()
console.log(`refresh() of that sends: ${sent}`)
server.close()
server.closeAllConnections()
JS
