import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { OPERATIONS } from '../../src/cognito-events/order.js'
import { CloudTrailEvent } from '../../src/cognito-events/schema.js'
import { SECRET_HEADER } from '../../src/cognito-events/secret.js'
import { rootUrl } from '../support/root.js'

interface Template { Resources: Record<string, { Type: string, Properties: Record<string, unknown> }> }

const source = await readFile(new URL('deploy/eventbridge/rule.json', rootUrl), 'utf8')
const { Resources } = JSON.parse(source) as Template
const propertiesOf = (type: string) =>
  Object.values(Resources).find(({ Type }) => Type === type)?.Properties ?? {}

test('The rule has exactly the operations that the server acts on, and its pattern fits the example', (t) => {
  const { EventPattern: pattern } = propertiesOf('AWS::Events::Rule') as {
    EventPattern: {
      'source': string[]
      'detail-type': string[]
      'detail': { eventName: string[], eventSource: string[] }
    }
  }
  t.same(pattern.detail.eventName.toSorted(), [...OPERATIONS].sort())
  const [example] = CloudTrailEvent.examples
  t.ok(pattern.source.includes(example.source))
  t.ok(pattern['detail-type'].includes(example['detail-type']))
  t.ok(pattern.detail.eventSource.includes(example.detail.eventSource))
  t.end()
})

test('The API destination posts to the route, with the secret in its header', (t) => {
  t.match(propertiesOf('AWS::Events::ApiDestination'), {
    HttpMethod: 'POST', InvocationEndpoint: { 'Fn::Sub': '${PublicUrl}/api/auth/cognito-events' }
  })
  t.match(propertiesOf('AWS::Events::Connection'), {
    AuthorizationType: 'API_KEY', AuthParameters: { ApiKeyAuthParameters: { ApiKeyName: SECRET_HEADER } }
  })
  t.end()
})

test('Every resource and parameter that the template names is there', (t) => {
  const { Parameters } = JSON.parse(source) as { Parameters: Record<string, unknown> }
  const attributes = [...source.matchAll(/"Fn::GetAtt": \["(\w+)", "Arn"\]|"Ref": "(\w+)"/g)]
    .map(([, attribute, reference]) => attribute ?? reference ?? '')
  const parameters = [...source.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name)
  t.ok(attributes.length >= 6)
  t.same(attributes.filter((name) => !Object.hasOwn(Resources, name)), [])
  t.same([...new Set(parameters)].sort(), Object.keys(Parameters).sort())
  t.end()
})
