/**
 * A JSON member's name as Go's encoding/json compares it, which is how flannel reads names in any case: Unicode's simple
 * case folding as far as it reaches ASCII. That is besides A-Z the Kelvin sign, a k, and the long s, which
 * `toLowerCase` leaves as it is.
 */
export function foldName(name: string): string {
  return name
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replaceAll("\u212a", "k")
    .replaceAll("\u017f", "s");
}
