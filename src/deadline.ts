export { withDeadline } from './sessions/deadline.js'
