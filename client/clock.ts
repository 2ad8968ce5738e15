/** A moment on both clocks, in milliseconds. */
export interface Moment {
  wall: number
  monotonic: number
}

export const now = (): Moment => ({ wall: Date.now(), monotonic: performance.now() })

/**
 * Milliseconds since `moment`: the larger of what both clocks say. The monotonic one may stand still while the
 * computer sleeps, and the other may be set back.
 */
export const since = ({ wall, monotonic }: Moment): number =>
  Math.max(0, Date.now() - wall, performance.now() - monotonic)
