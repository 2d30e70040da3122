/** A ping one of whose answers comes late, as on a busy machine. */

/**
 * In the place of iputils: every request is answered at once but one, number $1, whose answer comes when $2 further ones have
 * been sent. Ends as ping does, after as many requests as -c says or by SIGINT, with its summary.
 */
const SCRIPT = `which=$1 late=$2; shift 2
while [ "$1" != -c ]; do shift; done
last=$2 sent=0
trap 'last=$sent' INT
answer() { echo "[1795246699.880000] 64 bytes from 192.0.2.2: icmp_seq=$1 ttl=64 time=0.2 ms"; }
while [ $sent -lt $last ]; do
	sent=$((sent + 1))
	[ $sent -eq $which ] || answer $sent
	[ $sent -ne $((which + late)) ] || answer $which
done
echo "$sent packets transmitted, $sent received, 0% packet loss, time 1ms"
`;

/** Which request is answered late, counted from 1, and how many go out before its answer comes. */
export interface LateAnswer {
  readonly which: number;
  readonly late: number;
}

/** The argument array that runs it in the place of `ping ARGS`. */
export function latePing({ which, late }: LateAnswer, args: readonly string[]): string[] {
  return ["sh", "-c", SCRIPT, "sh", `${which}`, `${late}`, ...args];
}
