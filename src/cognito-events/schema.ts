/**
 * What EventBridge sends for a call of Cognito's API that CloudTrail has recorded, as far as it is read. A text that
 * is longer than any of Cognito's refuses the event.
 *
 * @see {@link https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html}
 * @see {@link https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html}
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/logging-using-cloudtrail.html}
 * @module
 */
const Text = { type: 'string', maxLength: 256 } as const
const MaybeText = { anyOf: [Text, { type: 'null' }] } as const

const maybe = <Properties extends object>(properties: Properties) =>
  ({ anyOf: [{ type: 'object', properties }, { type: 'null' }] }) as const

/** RFC 3339 §5.6. CloudTrail has whole seconds, in UTC. */
const Time = {
  type: 'string', maxLength: 40, pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$'
} as const

export const CloudTrailEvent = {
  type: 'object',
  required: ['source', 'detail-type', 'detail'],
  properties: {
    'source': { ...Text, description: '`aws.cognito-idp`. Others have no effect.' },
    'detail-type': { ...Text, description: '`AWS API Call via CloudTrail`. Others have no effect.' },
    'detail': {
      type: 'object',
      required: ['eventName', 'eventTime'],
      properties: {
        eventName: { ...Text, description: 'The operation, such as `AdminDisableUser`.' },
        eventTime: { ...Time, description: 'When Cognito was called.' },
        eventID: { ...MaybeText, description: 'Names the event in CloudTrail.' },
        errorCode: { ...MaybeText, description: 'Of a call that failed: it has no effect.' },
        sourceIPAddress: MaybeText,
        requestParameters: maybe({ userPoolId: MaybeText, username: MaybeText, groupName: MaybeText }),
        additionalEventData: maybe({ sub: MaybeText, userPoolId: MaybeText })
      }
    }
  },
  examples: [{
    'version': '0',
    'id': '6f1d3c2e-0f4b-4d0e-9a57-1c1f3f0d9a11',
    'detail-type': 'AWS API Call via CloudTrail',
    'source': 'aws.cognito-idp',
    'account': '123456789012',
    'time': '2026-01-31T09:00:00Z',
    'region': 'eu-west-1',
    'resources': [],
    'detail': {
      eventSource: 'cognito-idp.amazonaws.com',
      eventName: 'AdminDisableUser',
      eventTime: '2026-01-31T09:00:00Z',
      eventID: '0d1f9c5c-3c0d-4b51-9b5a-5a1b7e1f6c21',
      sourceIPAddress: '192.0.2.1',
      requestParameters: { userPoolId: 'eu-west-1_AbCdEfGhI', username: 'HIDDEN_DUE_TO_SECURITY_REASONS' },
      additionalEventData: { sub: '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f' }
    }
  }]
} as const

/** A body that the schema has accepted. */
export interface CloudTrailBody {
  'source': string
  'detail-type': string
  'detail': {
    eventName: string
    eventTime: string
    eventID?: string | null
    errorCode?: string | null
    sourceIPAddress?: string | null
    requestParameters?: { userPoolId?: string | null, username?: string | null, groupName?: string | null } | null
    additionalEventData?: { sub?: string | null, userPoolId?: string | null } | null
  }
}
