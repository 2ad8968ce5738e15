import { eventsOf, recordedIn, type EventOf, type Recording } from './events.js'
import type { Layout } from './layout.js'
import type { Statement } from './statement.js'

/** Where a statement records no event. */
export const NOT_RECORDED: Recording = { subject: '', cte: '', events: '' }

/** The column of the outer SELECT that gives the events; none where none are recorded. */
export const eventsColumn = ({ events }: Recording): string => events === '' ? '' : `, ${events} AS events`

export interface EventsRow { events?: string | null }

/**
 * A statement that also records events. Its parameter for them is the one after those of `statement`.
 *
 * @param text with a column `events`.
 */
export function withEvents<In, Out, Row extends object> (
  statement: Statement<In, Out, Row>, text: (layout: Layout) => string
): Statement<In & { events: readonly EventOf[] }, Out, Row & EventsRow> {
  return {
    ...statement,
    text,
    values: (input) => [...statement.values(input), eventsOf(input.events)],
    recorded: ([row]) => recordedIn(row?.events)
  }
}
