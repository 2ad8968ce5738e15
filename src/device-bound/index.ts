/**
 * Sessions that are bound to a device. Loaded only with `DEVICE_BOUND_SESSIONS`.
 *
 * @module
 */
export { bindingOf, BINDING_KEY, isBound } from './binding.js'
export { DeviceBoundSessions, isStrayDue, REGISTRATION_S, type DeviceState, type Standing } from './device-bound.js'
export {
  CHALLENGE_HEADER, IDENTIFIER_HEADER, isSkipped, PROOF_HEADER, REGISTRATION_HEADER, single, SKIPPED_HEADER
} from './headers.js'
