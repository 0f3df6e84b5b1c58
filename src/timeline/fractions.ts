/**
 * Shows the engine once that fields will hold times. A field that has held small integers alone is compiled for those, and the first time that is none throws
 * away every function compiled for such objects.
 *
 * @param example made where all the objects are made, for nothing else
 */
export function holdsTimes<T extends object>(example: T, ...fields: readonly (keyof T)[]): void {
  for (const field of fields) (example as Record<keyof T, unknown>)[field] = 0.5
}
