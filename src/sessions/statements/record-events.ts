import { insertLoose, looseEvents, recordedIn, type LooseEvent, type RecordedEvent } from './events.js'
import type { Statement } from './statement.js'

interface Row { events: string | null }

/** Inserts events that belong to no session. */
export const recordEvents: Statement<readonly LooseEvent[], RecordedEvent[], Row> = {
  text: (layout) => `
    WITH recorded AS (${insertLoose(layout, '$1')}
    )
    SELECT json_agg(recorded)::text AS events
    FROM recorded`,
  values: (events) => [
    looseEvents(events) // $1
  ],
  recorded: ([row]) => recordedIn(row?.events),
  outcome: ([row]) => recordedIn(row?.events)
}
