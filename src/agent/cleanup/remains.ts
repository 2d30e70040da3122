/** What an agent leaves on a host when it stops, as `twill cleanup` takes it away. */

/** Things of ours that go together. */
export interface Remains {
  /** One for each thing, as an operator knows it: `device flannel0`. */
  readonly names: readonly string[];
  /** Takes them away. False: they were gone already, or had to stay. */
  remove(signal: AbortSignal): Promise<boolean>;
}
