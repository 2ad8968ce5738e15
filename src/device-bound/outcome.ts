/**
 * What happened with a device.
 *
 * - `registered`: a session was bound;
 * - `refused`: a proof does not hold;
 * - `refreshed`: a device was shown again;
 * - `missing`: the session is bound, or must be, and its browser says or may say why it could not show its device;
 * - `copied`: a bound session's cookie came without its device, and without the browser's reason.
 */
export type DeviceOutcome = 'registered' | 'refused' | 'refreshed' | 'missing' | 'copied'
