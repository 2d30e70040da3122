/** A set of firewall rules of ours: made as wanted, compared with what stands, and taken away. */
export interface RuleKeeper<Wanted> {
  /**
   * Makes the rules what is wanted, in one transaction. Reads first: where all stands nothing is written. Null: none
   * of them. Resolves with the number of transactions that wrote something (0 or more).
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the program's text
   */
  keep(wanted: Wanted | null, signal: AbortSignal): Promise<number>;
}
