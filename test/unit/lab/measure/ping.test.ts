import { describe, expect, it } from "vitest";
import { ping } from "../../../../src/lab/measure/ping.ts";
import { Namespace } from "../../../../src/lab/machine/namespace.ts";

/**
 * In the place of iputils: every request is answered at once but the third, whose answer comes when $1 further ones have been
 * sent. Ends as ping does, after as many requests as -c says or by SIGINT, with its summary.
 */
const LATE_ANSWER = `late=$1; shift
while [ "$1" != -c ]; do shift; done
last=$2 sent=0
trap 'last=$sent' INT
answer() { echo "[1795246699.880000] 64 bytes from 192.0.2.2: icmp_seq=$1 ttl=64 time=0.2 ms"; }
while [ $sent -lt $last ]; do
	sent=$((sent + 1))
	[ $sent -eq 3 ] || answer $sent
	[ $sent -ne $((3 + late)) ] || answer 3
done
echo "$sent packets transmitted, $sent received, 0% packet loss, time 1ms"
`;

class LateNamespace extends Namespace {
  readonly #late: number;

  constructor(late: number) {
    super("none", "");
    this.#late = late;
  }

  override command([, ...args]: readonly string[]): string[] {
    return ["sh", "-c", LATE_ANSWER, "sh", `${this.#late}`, ...args];
  }
}

describe("ping", () => {
  it.each([
    ["10 ms", 10, 90],
    ["2 ms", 2, 450],
  ])(
    "waits for the last answer nearly a second, with requests %s apart",
    async (_apart, intervalMs, late) => {
      const counts = await ping(new LateNamespace(late), "192.0.2.2", { intervalMs });
      expect(counts).toMatchObject({ sent: 3, received: 3, lost: 0 });
    },
  );

  it("waits no longer than it is told", async () => {
    const counts = await ping(new LateNamespace(90), "192.0.2.2", { lingerMs: 500 });
    expect(counts).toMatchObject({ sent: 3, received: 2, lostSequences: [3] });
  });
});
