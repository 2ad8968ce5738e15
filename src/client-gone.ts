import type { IncomingMessage } from 'node:http'

/** Whether the connection of a request is closed, as after a second click on a link: its answer reaches no browser. */
export const isClientGone = ({ raw }: { raw: IncomingMessage }): boolean => raw.socket.destroyed
