/** Short form of one of Docker's ids for people, as Docker shows it. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
