/**
 * Flags of Node.js for an agent, those of bin/twill: a lab starts agents on the Node.js that it runs on itself, so not
 * through that script, and yet they are to behave and measure as an operator's.
 */
export const NODE_FLAGS: readonly string[] = [
  "--disable-warning=ExperimentalWarning",
  "--disable-warning=DEP0123",
  "--max-semi-space-size=2",
  "--heap-growing-percent=20",
];
